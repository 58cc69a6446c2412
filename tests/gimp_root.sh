#!/bin/sh
# Makes a folder with a real GIMP 3 in it, for machines whose distribution has none, and prints its path.
# gimp_root.sh [3.0|3.2 [kept]]: which GIMP; 3.0 unless said. kept: print a root that is there, build none.
# Needs root, a Debian-like system and the network, once: the folder is kept in the user's cache (1.3 GB each).
# Nothing stays mounted: every mount lives in a namespace that ends with the command that needs it.
set -eu

say() { echo "gimp_root: $*" >&2; }
fail() { say "$*"; exit 1; }

GIMP=${1:-3.0}
case $GIMP in # the suite of Debian that has it; debootstrap has a script for sid wherever it is itself from
    3.0) SUITE=trixie ;;
    3.2) SUITE=forky ;;
    *) fail "there is no root with GIMP $GIMP, only with 3.0 and 3.2" ;;
esac
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/impasto-tests
ROOT=$CACHE/gimp-$SUITE
CONSOLE=$ROOT/usr/bin/gimp-console-$GIMP
PACKAGES="gimp gir1.2-gimp-3.0 python3-gi xvfb xauth openbox xdotool imagemagick adwaita-icon-theme fonts-dejavu-core"

if [ -x "$CONSOLE" ]; then
    echo "$ROOT"
    exit
fi

[ "${2:-}" != kept ] || fail "there is no root with GIMP $GIMP yet: make gimp-$GIMP builds it"
[ "$(id -u)" = 0 ] || fail "a GIMP for the tests can only be built as root; or install GIMP 3 on this machine"
command -v apt-get >/dev/null || fail "a GIMP for the tests can only be built on a Debian-like system"
unshare -m true 2>/dev/null || fail "this machine allows no mount namespaces (unshare -m), as in some containers"
mkdir -p "$CACHE"
exec 9>"$CACHE/lock-$GIMP"
flock 9
if [ -x "$CONSOLE" ]; then # another run made it meanwhile
    echo "$ROOT"
    exit
fi

exec 3>&1 >&2 # apt's own talk is not the answer
if ! command -v debootstrap >/dev/null; then
    say "installing debootstrap"
    apt-get update -q
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends debootstrap
fi
NEW=$ROOT.new
rm -rf --one-file-system "$NEW" "$ROOT"
say "building $ROOT (about a minute; once)"
SCRIPTS=/usr/share/debootstrap/scripts
MIRROR=http://deb.debian.org/debian
if [ -e "$SCRIPTS/$SUITE" ]; then
    debootstrap --variant=minbase "$SUITE" "$NEW"
else # a suite that is younger than this debootstrap
    debootstrap --variant=minbase "$SUITE" "$NEW" "$MIRROR" "$SCRIPTS/sid"
fi
NEW=$NEW PACKAGES=$PACKAGES unshare -m sh -euc '
    for part in proc dev sys; do mount --rbind "/$part" "$NEW/$part"; done
    printf "#!/bin/sh\nexit 101\n" >"$NEW/usr/sbin/policy-rc.d" # start no services
    chmod +x "$NEW/usr/sbin/policy-rc.d"
    # An old list of packages serves as well: those of a suite that still changes expire in a week, also at mirrors.
    chroot "$NEW" apt-get update -q -o Acquire::Check-Valid-Until=false
    DEBIAN_FRONTEND=noninteractive chroot "$NEW" apt-get install -q -y --no-install-recommends $PACKAGES
    chroot "$NEW" apt-get clean'
mv "$NEW" "$ROOT"
echo "$ROOT" >&3
