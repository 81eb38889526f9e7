"""The script that people write to keep Vault in step: hvac, and a pool of eight threads.

    hvac_pool.py push|pull|no_change MOUNT SCOPE SECRETS

`push` writes the secrets. `pull` lists the scope and reads every secret. `no_change` does the same, compares each value with
the one that it would write, and writes those that differ. The address and the token come from VAULT_ADDR and VAULT_TOKEN.
"""

import sys
from concurrent.futures import ThreadPoolExecutor

import hvac

THREADS = 8


def path(n):
    return f"app-{n // 100}/secret-{n}"


def value(n):
    return {"username": f"user-{n}", "password": f"correct horse battery staple {n}.0"}


class Scope:
    def __init__(self, mount, scope, pool):
        self.kv = hvac.Client().secrets.kv.v2
        self.mount, self.scope, self.pool = mount, scope, pool

    def write(self, item):
        place, secret = item
        self.kv.create_or_update_secret(path=f"{self.scope}/{place}", secret=secret, mount_point=self.mount)

    def read(self, place):
        answer = self.kv.read_secret_version(
            path=f"{self.scope}/{place}", mount_point=self.mount, raise_on_deleted_version=True
        )
        return place, answer["data"]["data"]

    def names(self, folder):
        answer = self.kv.list_secrets(path=f"{self.scope}/{folder}", mount_point=self.mount)
        return [f"{folder}{name}" for name in answer["data"]["keys"]]

    def places(self):
        places, folders = [], [""]
        while folders:
            names = [name for listed in self.pool.map(self.names, folders) for name in listed]
            folders = [name for name in names if name.endswith("/")]
            places += [name for name in names if not name.endswith("/")]
        return places

    def write_all(self, items):
        # The results are looked at, so that a refused write ends the script with an error.
        for _ in self.pool.map(self.write, items):
            pass

    def read_all(self):
        return dict(self.pool.map(self.read, self.places()))


def main():
    doing, mount, scope, secrets = sys.argv[1:]
    wanted = {path(n): value(n) for n in range(int(secrets))}
    with ThreadPoolExecutor(THREADS) as pool:
        scope = Scope(mount, scope, pool)
        try:
            if doing == "push":
                scope.write_all(wanted.items())
                return
            found = scope.read_all()
            if len(found) != len(wanted):
                sys.exit(f"{len(found)} of {len(wanted)} secrets were read")
            if doing == "no_change":
                scope.write_all([(place, wanted[place]) for place in wanted if found.get(place) != wanted[place]])
        except hvac.exceptions.VaultError as error:
            pool.shutdown(cancel_futures=True)
            sys.exit(str(error))


main()
