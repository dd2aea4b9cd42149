# Filled by the folder's own sources.
