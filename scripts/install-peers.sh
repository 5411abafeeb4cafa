#!/usr/bin/env bash
# Installs the programs of others that `npm run test:peers` and `test:failover` talk to, from Debian's packages: only what is missing,
# without a question. No service that comes with them is started.
set -euo pipefail

# In the order of the tests: telephones and a proxy, what measures sound, what decodes, an SMS gateway, an SMPP library,
# TLS in front of it, and the database server of test:failover.
PACKAGES=(
  sip-tester baresip-core kamailio kamailio-tls-modules sox
  tshark
  kannel libnet-smpp-perl stunnel4
  postgresql
)

missing=()
for package in "${PACKAGES[@]}"; do
  # Without the status a package that was removed and left its configuration would count as installed.
  status=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$status" = installed ] || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
  echo "install-peers: everything is installed"
  exit 0
fi

if ! command -v apt-get >/dev/null; then
  echo "install-peers: no apt-get here; the tests with peers need Debian's packages ${missing[*]}" >&2
  exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
  echo "install-peers: only root can install; as root: apt-get install --no-install-recommends ${missing[*]}" >&2
  exit 1
fi

log=$(mktemp)
made_policy=
trap 'rm -f "$log" $made_policy' EXIT

# Packages ask this file whether their service may start (invoke-rc.d(8)); 101 forbids it. One that is there stays.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  made_policy=$policy
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
fi

export DEBIAN_FRONTEND=noninteractive
run() {
  if ! "$@" </dev/null >"$log" 2>&1; then
    echo "install-peers: '$*' failed:" >&2
    tail -n 30 "$log" >&2
    return 1
  fi
}
echo "install-peers: installing ${missing[*]}"
# A list that can't be fetched need not be one that is needed; if it is, the installation says so.
run apt-get -q -o Acquire::Retries=3 update || true
run apt-get -q -y -o Acquire::Retries=3 -o Dpkg::Options::=--force-confold -o Dpkg::Use-Pty=0 \
  install --no-install-recommends "${missing[@]}"
