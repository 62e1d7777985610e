#!/bin/sh
# Fails where tests left something behind: namespaces, TAP interfaces, processes, huge pages.
left=
# Guardians take things away a moment after their makers.
for _ in 1 2 3 4 5 6 7 8 9 10; do
  left=$(
    ip netns list 2>/dev/null | grep '^slt-' | sed 's/^/namespace /'
    ip -o link show 2>/dev/null | grep -E ': (dtap|sl-)' | sed 's/^/interface /'
    pgrep -a -x sluice | sed 's/^/process /'
    pgrep -a -f '/slt-[0-9]+-cluster[0-9]+/' | sed 's/^/process /'
    ls -d "${TMPDIR:-/tmp}"/slt-* 2>/dev/null | sed 's/^/folder /'
    find /dev/hugepages -name 'sluice*' 2>/dev/null | sed 's/^/huge page /'
  )
  [ -n "$left" ] || exit 0
  sleep 0.5
done
echo "left behind:" >&2
echo "$left" >&2
exit 1
