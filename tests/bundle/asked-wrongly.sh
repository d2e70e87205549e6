machine root
say one/install --root nowhere
say one/install --rollback
say one/uninstall --prefix /opt
say one/install --recover --dry-run
say one/install --root
say one/install --root root --prefix opt
say one/install --root root --prefix /
say one/install --root root --prefix '/opt/my xen'
say one/uninstall --root root
say one/install --force
keep root
say one/install --recover --root root
same root
# The content elsewhere, and not enough room for it.
mkdir small && cat >small/df <<'TEXT'
#!/bin/sh
printf 'Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/x 1 1 10 99%% %s\n' "$2"
TEXT
chmod +x small/df
usual=$PATH
PATH=$PWD/small:$PATH
say one/install --root=root --prefix=/opt/xen
PATH=$usual
same root
say one/install --root=root --prefix=/opt/xen
readlink root/usr/lib/xen-4.17
say one/install --root=root --prefix=/srv
say one/install --root=root
say two/install --root=root
readlink root/usr/lib/xen-4.17
say two/uninstall --root=root
same root
# Somebody else is at it.
mkdir -p root/var/lib/xenwright && ln -s $$ root/var/lib/xenwright/lock
say one/install --root root | sed 's/process [0-9]*/process [PID]/'
