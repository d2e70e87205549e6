machine root
keep root
say one/install --root root --dry-run
same root
say one/install --root root
tree root
cat root/var/lib/xenwright/record | sed 's/ [0-9a-f]\{64\}/ [SUM]/g'
readlink -f root/usr/lib64/libxencall.so.1 | sed "s|$PWD|[HERE]|"
say one/install --root root
# The copy that it keeps can take it away too.
say root/usr/lib/xenwright/xen-4.17.5+72-1-x86_64/uninstall --root root --dry-run
say root/usr/lib/xenwright/xen-4.17.5+72-1-x86_64/uninstall --root root
same root
say one/uninstall --root root
# Init scripts come where there are any.
mkdir root/etc/init.d
keep root
one/install --root root >/dev/null
ls root/etc/init.d
one/uninstall --root root >/dev/null
same root
