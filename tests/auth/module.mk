# Filled by the folder's own tests.
