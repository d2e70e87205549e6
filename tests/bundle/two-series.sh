machine root
machine plain
say one/install --root plain
say one/install --root root
say other/install --root root
tree root
say root/usr/lib/xen-4.17/sbin/xl
say root/usr/lib/xen-4.20/sbin/xl
# What both have is the higher version's; what only 4.17 has stays; what is taken away comes back.
readlink root/usr/share/man/man1/xl.1 root/usr/lib64/libxencall.so.1 root/usr/lib64/libxencall.so.1.3
say other/uninstall --root root
diff -r --no-dereference plain root && echo 'root is as if 4.20 had never been there'
# The other order ends the same.
say other/install --root root
keep root
machine again
other/install --root again >/dev/null
one/install --root again >/dev/null
diff -r --no-dereference -x record root again && echo 'the order does not matter'
say one/uninstall --root root
say other/uninstall --root root
