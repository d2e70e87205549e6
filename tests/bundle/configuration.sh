machine root
# It was there before: it stays, and is not taken away.
mkdir -p root/etc/xen && echo 'about these files' >root/etc/xen/README
say one/install --root root
echo 'autoballoon=0' >>root/etc/xen/xl.conf
say two/install --root root
cat root/etc/xen/xl.conf
# Somebody does without it.
rm root/etc/xen/xl.conf
say three/install --root root
ls root/etc/xen
echo 'autoballoon=0' >root/etc/xen/xl.conf
mkdir -p root/var/lib/xen/dump && touch root/var/lib/xen/dump/core
say three/uninstall --root root
find root/etc root/var -type f
