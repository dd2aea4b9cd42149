# SPDX-License-Identifier: BSD-2-Clause
# Completion of portcullisctl for bash. It knows nothing itself: portcullisctl says what may come next.

_portcullisctl()
{
	local line=${COMP_LINE:0:COMP_POINT} typed breaks before= candidate
	local -a words

	read -ra words <<<"$line"
	[[ $line == *[[:space:]] ]] && words+=("")
	typed=${words[-1]}
	# Where bash breaks words at these it keeps what stands before the last of them.
	breaks=${COMP_WORDBREAKS//[^:=]/}
	[[ $breaks ]] && before=${typed%"${typed##*[$breaks]}"}
	COMPREPLY=()
	while IFS=$'\t' read -r candidate _; do
		if [[ $candidate == :files ]]; then
			compopt -o filenames 2>/dev/null
			while IFS= read -r candidate; do
				COMPREPLY+=("$candidate")
			done < <(compgen -f -- "${typed#--*=}")
		else
			COMPREPLY+=("${candidate#"$before"}")
		fi
	done < <("${words[0]}" complete "${words[@]:1}" 2>/dev/null)
}

complete -F _portcullisctl portcullisctl
