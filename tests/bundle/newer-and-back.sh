machine root
say one/install --root root
keep root
say two/install --root root
# A default that changed, one that was given up, a tool behind the one link.
cat root/etc/xen/xl.conf root/usr/lib/xen-4.17/sbin/xl
[ -e root/etc/default ] || echo 'without its only file the folder is gone'
ls root/usr/sbin root/usr/lib/xenwright
say one/uninstall --root root
say two/uninstall --rollback --root root
same root
say one/uninstall --rollback --root root
say two/install --root root
say three/install --root root
ls root/usr/lib/xenwright
# An older one in the place of a newer one is a change like any other.
say two/install --root root
ls root/usr/lib/xenwright
cat root/usr/lib/xen-4.17/sbin/xl
say two/uninstall --root root
tree root
