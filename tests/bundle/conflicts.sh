machine root
# A package's file, somebody's folder and link, a file where folders are to be.
mkdir -p root/var/lib/dpkg/info root/usr/lib/xen-4.17/bin root/etc/xen/xl.conf
echo mine >root/usr/sbin/xl
printf '/.\n/usr\n/usr/bin/xl\n' >root/var/lib/dpkg/info/xen-utils-common.list
echo '/usr/bin/xl.old' >root/var/lib/dpkg/info/other.list
ln -s /nowhere root/usr/lib/xen-common
echo mine >root/usr/share
keep root
say one/install --root root
say one/install --root root --dry-run
same root

# What is installed and no longer what it was.
machine next
one/install --root next >/dev/null
rm next/usr/bin/xl
echo mine >next/usr/bin/xl
rm next/usr/lib/xen-common
echo patched >>next/usr/lib/xen-4.17/sbin/xl
touch next/usr/lib/xen-4.17/mine
mkdir -p next/usr/lib/xen-4.17/lib/__pycache__ && touch next/usr/lib/xen-4.17/lib/__pycache__/a.pyc
echo other >next/boot/xen-4.17.5+72.gz
keep next
say one/uninstall --root next
say two/install --root next
say one/install --root next
same next

# What is missing is put back.
machine third
one/install --root third >/dev/null
keep third
rm third/usr/bin/xl third/usr/lib/xen-4.17
say one/install --root third
same third
rm third/usr/bin/xl
say one/uninstall --root third

# The same name with another content.
cp -a two impostor
sed -i 's/^name .*/name xen-4.17.5+72-1-x86_64/; s/^rank .*/rank 1/' impostor/contents
sum=$(sha256sum <impostor/contents) && sed -i "s/^contents_sum=.*/contents_sum='${sum%% *}'/" impostor/install
one/install --root third >/dev/null
say impostor/install --root third
