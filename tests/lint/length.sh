#!/bin/sh
# No function longer than 80 lines, no C file longer than 600.
set -eu
bad=0
long=$(ctags --languages=C --kinds-C=f --fields=+ne -x --_xformat='%{end} %n %F %N' -f - "$@" |
    awk '$1 - $2 >= 80 { printf "%s:%s %s is %d lines long (limit 80)\n", $3, $2, $4, $1 - $2 + 1 }')
[ -z "$long" ] || { echo "$long"; bad=1; }
for file in "$@"; do
    lines=$(wc -l < "$file")
    [ "$lines" -le 600 ] || { echo "$file is $lines lines long (limit 600)"; bad=1; }
done
[ $bad = 0 ] && echo "length: ok"
exit $bad
