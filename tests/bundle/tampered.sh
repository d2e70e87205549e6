machine root
keep root
wrong() {
    say bad/install --root root
    rm -rf bad
    cp -a one bad
}
cp -a one bad
echo more >>bad/tree/usr/lib/xen-4.17/sbin/xl
wrong
rm bad/tree/boot/xen-4.17.5+72.gz
wrong
touch bad/tree/usr/lib/xen-4.17/sbin/backdoor
wrong
touch bad/.hidden
wrong
rm bad/tree/usr/sbin/xl && ln -s /bin/sh bad/tree/usr/sbin/xl
wrong
rm -r bad/tree/var/lib/xen/dump && touch bad/tree/var/lib/xen/dump
wrong
sed -i 's/sbin\/xl/sbin\/xm/' bad/contents
wrong
rm bad/contents
wrong
same root
# What was kept to go back to is looked at as well.
one/install --root root >/dev/null
two/install --root root >/dev/null
keep root
echo more >>root/usr/lib/xenwright/xen-4.17.5+72-1-x86_64/tree/usr/share/man/man1/xl.1
say two/uninstall --rollback --root root
