# Absolute links are the root's own, and lead nowhere else.
mkdir -p root/usr root/elsewhere root/var/lib outside
ln -s /elsewhere root/usr/lib
ln -s ../../../../../../outside root/boot
mkdir root/outside
say one/install --root root
tree root
ls outside
# The place of a new thing is no way out either.
ln -s "$PWD/outside/victim" root/outside/.xen-4.17.5+72.gz.xenwright-new
say two/install --root root
ls outside
# A folder that becomes a link later is not followed.
mv root/elsewhere/systemd outside/
ln -s "$PWD/outside/systemd" root/elsewhere/systemd
say two/uninstall --root root
find outside -type f
# A record that leads out.
machine liar
mkdir -p liar/var/lib/xenwright
printf 'xenwright 1\nplace ../../outside/x file a 0644 b c\n' >liar/var/lib/xenwright/record
say one/install --root liar
printf 'xenwright 9\n' >liar/var/lib/xenwright/record
say one/install --root liar
machine circle
rm circle/usr/lib64/libc.so.6
rmdir circle/etc && ln -s etc circle/etc
keep circle
say one/install --root circle
same circle
# Where the loader looks: Debian's folder, lib64, lib.
for libdir in usr/lib/public usr/lib64 usr/lib; do
    mkdir -p "in/$libdir" in/var/lib
    one/install --root in >/dev/null && find in -name libxencall.so.1 ! -path '*/tree/*'
    rm -rf in
done
