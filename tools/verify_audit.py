#!/usr/bin/env python3
"""Checks exports of VaultTerm's audit log, independently of VaultTerm.

    verify_audit.py [--vkey KEY]... [--anchor FILE]... EXPORT...

This script shares no code with VaultTerm and needs only Python's standard library. The page
docs/reference/audit-log.md describes the format. The script prints one line per export. Its exit code
is 0, or the class (see CLASSES) of the first finding of the last export that has a finding.
"""

import argparse
import base64
import functools
import hashlib
import json
import re
import sys
from datetime import datetime, timedelta

CLASSES = {"malformed": 20, "altered": 21, "gap": 22, "link": 23, "other_log": 24, "truncated": 25,
           "root": 26, "signature": 27, "rollback": 28, "anchor": 29}
EPOCH = datetime(1970, 1, 1)
ACTOR_KINDS = ["user", "token", "system", "anonymous"]
CHECKPOINT = (r"vaultterm\.audit/([0-9a-f-]{36})\n(0|[1-9]\d*)\n([A-Za-z0-9+/]{43}=)\n"
              r"epoch (0|[1-9]\d*)\nlicense (0|[1-9]\d*)\n")
OUTCOMES = ["success", "denied", "failure"]

# ---- Ed25519 verification, RFC 8032 section 5.1.7 ----
P = 2**255 - 19
Q = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)

def add(one, two):
    a, b = (one[1] - one[0]) * (two[1] - two[0]) % P, (one[1] + one[0]) * (two[1] + two[0]) % P
    c, d = 2 * one[3] * two[3] * D % P, 2 * one[2] * two[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P

def multiply(scalar, point):
    total = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            total = add(total, point)
        point, scalar = add(point, point), scalar >> 1
    return total

def decompress(data):
    number = int.from_bytes(data, "little")
    sign, y = number >> 255, number & (2**255 - 1)
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P

BASE = decompress((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))

@functools.cache
def ed25519_fits(key, message, signature):
    a, r, s = decompress(key), decompress(signature[:32]), int.from_bytes(signature[32:], "little")
    if len(signature) != 64 or a is None or r is None or s >= Q:
        return False
    h = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % Q
    left, right = multiply(s, BASE), add(r, multiply(h, a))
    return not ((left[0] * right[2] - right[0] * left[2]) % P or (left[1] * right[2] - right[1] * left[2]) % P)

# ---- Keys, signed notes, checkpoints ----
def parse_vkey(text):
    name, key_id, key = text.strip().split("+", 2)
    data = base64.b64decode(key, validate=True)
    if len(data) != 33 or data[0] != 1 or hashlib.sha256(name.encode() + b"\n" + data).digest()[:4].hex() != key_id:
        raise ValueError("no verifier key")
    return name, bytes.fromhex(key_id), data[1:]

def signed_by(note, trusted):
    """Returns the trusted key that signed a note, or None."""
    text, _, signatures = note.rpartition("\n\n")
    signer = None
    for line in signatures.removesuffix("\n").split("\n"):
        mark, name, data = line.split(" ")
        data = base64.b64decode(data, validate=True)
        if mark != "\u2014":
            raise ValueError("no signature")
        for key in trusted:
            if key[0] == name and key[1] == data[:4]:
                if not ed25519_fits(key[2], (text + "\n").encode(), data[4:]):
                    return None
                signer = signer or key
    return signer

def parse_checkpoint(note):
    log, size, root, epoch, counter = re.fullmatch(CHECKPOINT, note[: note.index("\n\n") + 1]).groups()
    return {"log": log, "size": int(size), "root": base64.b64decode(root), "epoch": int(epoch), "license": int(counter)}

# ---- The tree, RFC 6962 section 2.1 ----
def node(right, left):
    return hashlib.sha256(b"\x01" + left + right).digest()

class Tree:
    def __init__(self, size, subtrees):
        self.size, self.subtrees = size, subtrees
        if bin(size).count("1") != len(subtrees):
            raise ValueError("no edge of a tree")

    def push(self, leaf):
        for _ in range(len(bin(self.size)) - len(bin(self.size).rstrip("1"))):
            leaf = node(leaf, self.subtrees.pop())
        self.subtrees.append(leaf)
        self.size += 1

    def root(self):
        return functools.reduce(node, reversed(self.subtrees)) if self.subtrees else hashlib.sha256().digest()

# ---- The bytes of an entry ----
class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, length):
        self.at += length
        if self.at > len(self.data):
            raise ValueError("cut short")
        return self.data[self.at - length: self.at]

    def number(self, length):
        return int.from_bytes(self.take(length), "big")

    def id(self):
        digits = self.take(16).hex()
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"

    def text(self):
        return self.take(self.number(4)).decode()

    def option(self, read):
        flag = self.number(1)
        if flag > 1:
            raise ValueError("an option is neither there nor not")
        return read() if flag else None

def decode(data):
    """Decodes the bytes of an entry. Returns its log, its previous hash, and the fields of its line."""
    r = Reader(data)
    if r.number(1) != 1:
        raise ValueError("unknown version")
    log, seq, previous = r.id(), r.number(8), r.take(32)
    time = (EPOCH + timedelta(microseconds=int.from_bytes(r.take(8), "big", signed=True))).isoformat()
    time = time.rstrip("0") if "." in time else time
    kind, actor_id, actor = ACTOR_KINDS[r.number(1)], r.id(), r.text()
    words = {"seq": seq, "time": time + "Z", "actor": actor, "actor_id": actor_id, "actor_kind": kind,
             "source_ip": r.option(r.text), "request_id": r.option(r.text), "action": r.text()}
    objects = [{"kind": r.text(), "id": r.id(), "name": r.option(r.text)} for _ in range(r.number(4))]
    first = objects[0] if objects else {"name": None, "id": None}
    words["object"] = first["name"] if first["name"] is not None else first["id"]
    words["objects"], words["outcome"] = objects, OUTCOMES[r.number(1)]
    remote = r.option(lambda: {"cluster": r.option(r.text), "path": r.text(),
                               "version": r.option(lambda: r.number(8)), "request_id": r.option(r.text)})
    if remote is not None:
        words["remote"] = remote
    details = [(r.text(), r.text()) for _ in range(r.number(4))]
    if r.at != len(data) or details != sorted(dict(details).items(), key=lambda pair: pair[0].encode()):
        raise ValueError("not in the one encoding")
    words["detail"] = dict(details)
    words["hash"] = hashlib.sha256(b"\x00" + data).hexdigest()
    return log, previous, words

# ---- The export ----
json_line = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
HEADER = ["format", "log_id", "after", "previous", "frontier", "until", "selection", "vkeys"]
BROKEN = (ValueError, KeyError, IndexError, TypeError, AttributeError, OverflowError)

class Check:
    def __init__(self, vkeys, anchors):
        self.vkeys, self.first, self.entries, self.signed_to = vkeys, None, 0, 0
        self.anchors, self.notes, self.rotations, self.ended = {}, [], [], False
        for note in anchors:
            try:
                self.anchors.setdefault(parse_checkpoint(note)["size"], []).append((parse_checkpoint(note), note))
            except BROKEN:
                self.find("anchor")

    def find(self, kind):
        self.first = self.first or kind

    def run(self, lines):
        try:
            header = json.loads(lines[0])
            self.log, self.last, self.previous = header["log_id"], header["after"], bytes.fromhex(header["previous"])
            self.tree = Tree(self.last, [bytes.fromhex(one) for one in header["frontier"]])
            if list(header) != HEADER or header["format"] != "vaultterm-audit/1" or json_line(header) != lines[0]:
                raise ValueError("no header")
        except BROKEN:
            return self.find("malformed")
        self.header = header
        if self.last == 0 and any(self.previous):
            self.find("link")
        self.compare_anchors()
        for line in lines[1:]:
            if self.ended:
                self.find("malformed")
            try:
                self.line(line)
            except BROKEN:
                self.find("malformed")
        self.ended or self.find("truncated")
        if not header["selection"]:
            try:
                self.judge()
            except BROKEN:
                self.find("signature")

    def line(self, line):
        value = json.loads(line)
        if json_line(value) != line and "bytes" not in value:
            raise ValueError("written in another way")
        if "checkpoint" in value:
            self.checkpoint(value["checkpoint"])
        elif "end" in value:
            self.ended, seq, last = True, value["end"]["seq"], bytes.fromhex(value["end"]["hash"])
            if seq > self.last or ((seq, last) != (self.last, self.previous) and not self.header["selection"]):
                self.find("truncated" if seq > self.last else "link")
        else:
            self.entry(line, value)

    def entry(self, line, value):
        log, previous, words = decode(base64.b64decode(value["bytes"], validate=True))
        if json_line({"bytes": value["bytes"], **words}) != line:
            self.find("altered")
        if log != self.log:
            self.find("other_log")
        expected, self.last, self.entries = self.last + 1, words["seq"], self.entries + 1
        if self.header["selection"]:
            return self.find("gap") if self.last < expected else None
        if self.last != expected:
            self.find("gap")
        if previous != self.previous:
            self.find("link")
        self.previous = bytes.fromhex(words["hash"])
        self.tree.push(self.previous)
        if words["action"] == "KEY_ROTATED" and "vkey" in words["detail"] and "previous_vkey" in words["detail"]:
            self.rotations.append((self.last, words["detail"]["previous_vkey"], words["detail"]["vkey"]))
        self.compare_anchors()

    def checkpoint(self, note):
        said = parse_checkpoint(note)
        fits = said["size"] == self.tree.size and said["root"] == self.tree.root()
        if said["log"] != self.log:
            self.find("other_log")
        if not fits:
            self.find("gap" if said["size"] != self.tree.size else "root")
        if self.notes and any(self.notes[-1][0][name] > said[name] for name in ("epoch", "license")):
            self.find("rollback")
        self.notes.append((said, note, fits))

    def compare_anchors(self):
        for anchor, _ in self.anchors.get(self.tree.size, []):
            if not self.header["selection"] and (anchor["root"] != self.tree.root() or anchor["log"] != self.log):
                self.find("anchor")

    def judge(self):
        trusted = [parse_vkey(text) for text in self.vkeys or self.header["vkeys"]]
        grown = True
        while grown:
            for said, note, fits in self.notes:
                if fits and said["size"] > self.signed_to and signed_by(note, trusted):
                    self.signed_to = said["size"]
            named = [parse_vkey(key) for seq, *keys in self.rotations if seq <= self.signed_to for key in keys]
            grown = [key for key in named if key not in trusted][:1]
            trusted += grown
        for anchor, note in (one for all_of_size in self.anchors.values() for one in all_of_size):
            if not signed_by(note, trusted):
                self.find("anchor")
            if anchor["size"] > self.tree.size and not self.header["until"]:
                self.find("truncated")
        signed = all(signed_by(note, trusted) for _, note, _ in self.notes) and (self.signed_to or not self.vkeys)
        if not signed or not all(parse_vkey(text) in trusted for text in self.header["vkeys"]):
            self.find("signature")

def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--vkey", action="append", default=[], help="a key to trust")
    parser.add_argument("--anchor", action="append", default=[], help="a file of checkpoints kept elsewhere")
    parser.add_argument("export", nargs="+")
    arguments = parser.parse_args()
    anchors = [json.loads(line)["checkpoint"] for name in arguments.anchor for line in open(name, encoding="utf-8")]
    status = 0
    for name in arguments.export:
        check = Check(arguments.vkey, anchors)
        check.run(open(name, "rb").read().decode("utf-8", "surrogateescape").removesuffix("\n").split("\n"))
        status = CLASSES[check.first] if check.first else status
        print(f"{name}: {check.first or 'ok'}: {check.entries} entries, signed up to {check.signed_to}")
    sys.exit(status)

main()
