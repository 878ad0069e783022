#!/bin/sh
# Certificates and passwords for the broker:
#     sh deploy/mosquitto/secrets.sh FOLDER HOST,HOST,... USER...
# HOST is a name or address by which clients reach the broker. Users are ecgmon, display and each device by the name
# of its stream. What is there already stays; run it again to add users, then send the broker SIGHUP.
#
#     FOLDER/ca.pem                  for all clients: whom to trust
#     FOLDER/ca.key                  signs further certificates; best kept elsewhere
#     FOLDER/broker/                 for the broker: server.pem, server.key, passwords (hashed)
#     FOLDER/users/NAME/password     for NAME alone
#
# BROKER_USER and ECGMON_USER name the owners of their files, where this runs as root.
set -eu
if [ $# -lt 3 ]; then
    sed -n '2,5s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
folder=$1 hosts=$2
shift 2
for tool in openssl mosquitto_passwd; do
    if ! command -v $tool >/dev/null; then
        echo "secrets: $tool is not installed; on Debian: apt-get install openssl mosquitto" >&2
        exit 1
    fi
done
umask 077
mkdir -p "$folder/broker" "$folder/users"
chmod 755 "$folder" "$folder/users"
new="$folder/broker/.new"
trap 'rm -f "$new" "$new.csr" "$new.ext"' EXIT

key() { # NAME.key and what follows from it
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$@" 2>/dev/null
}

if [ ! -e "$folder/ca.pem" ]; then
    key "$folder/ca.key" -x509 -days 3650 -subj "/CN=ecgmon authority" -out "$folder/ca.pem"
    chmod 644 "$folder/ca.pem"
fi

if [ ! -e "$folder/broker/server.pem" ]; then
    names=
    for host in $(echo "$hosts" | tr ',' ' '); do
        case $host in
            *[!0-9.]*) names="$names,DNS:$host" ;;
            *) names="$names,IP:$host" ;;
        esac
    done
    printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth\n' "${names#,}" >"$new.ext"
    key "$folder/broker/server.key" -subj "/CN=${hosts%%,*}" -out "$new.csr"
    openssl x509 -req -days 825 -in "$new.csr" -CA "$folder/ca.pem" -CAkey "$folder/ca.key" -CAcreateserial \
        -extfile "$new.ext" -out "$folder/broker/server.pem" 2>/dev/null
fi

touch "$folder/broker/passwords"
for user; do
    case $user in
        '' | *[!A-Za-z0-9._-]*)
            echo "secrets: '$user': a user's name has letters, digits, dot, dash and underscore" >&2
            exit 2
            ;;
    esac
    if [ ! -e "$folder/users/$user/password" ]; then
        mkdir -p "$folder/users/$user"
        password=$(openssl rand -hex 16)
        printf '%s:%s\n' "$user" "$password" >"$new"
        mosquitto_passwd -U "$new" # from a file, so that no list of processes shows it
        cat "$new" >>"$folder/broker/passwords"
        printf '%s\n' "$password" >"$folder/users/$user/password"
    fi
done

if [ "$(id -u)" = 0 ]; then
    [ -z "${BROKER_USER:-}" ] || chown -R "$BROKER_USER" "$folder/broker"
    [ -z "${ECGMON_USER:-}" ] || [ ! -d "$folder/users/ecgmon" ] || chown -R "$ECGMON_USER" "$folder/users/ecgmon"
fi
