"""Delays and counts what one pod sends to others, until it is told to stop. Runs as root on the pod's node.

    pod-delay.py POD_ADDRESS MILLISECONDS OTHER_ADDRESS,OTHER_ADDRESS...

Packets wait in a netfilter queue of the pod's own network namespace: each is let go unchanged, in order, so many
milliseconds after it came. That is what `tc netem delay` does, without its kernel module, which small kernels lack, and
for other pods alone: clients and the API server are not delayed. Should this program die, the queue is bypassed and
nothing is delayed. With 0 milliseconds packets are counted and go their way.

Prints "ready" once it is so, and at the end "sent N": bytes to the others, with the headers of IP and all above it.
"""

import collections
import contextlib
import ctypes
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import time

CLONE_NEWNET = 0x40000000
NETLINK_NETFILTER = 12
MARK = "layermesh-experiment"
QUEUE = 7
QUEUE_LENGTH = 65536

# linux/netfilter/nfnetlink_queue.h: messages of the subsystem (3), attributes, commands.
PACKET, VERDICT, CONFIG, VERDICT_BATCH = 0x300, 0x301, 0x302, 0x303
PACKET_HEADER, VERDICT_HEADER = 1, 2
CONFIG_COMMAND, CONFIG_PARAMETERS, CONFIG_MAX_LENGTH = 1, 2, 3
BIND, COPY_META, ACCEPT = 1, 1, 1


def enter_namespace_of(address):
    """Moves this process into the network namespace of a process whose own address this is."""
    seen = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        path = f"/proc/{pid}/ns/net"
        with contextlib.suppress(OSError):
            inode = os.stat(path).st_ino
            if inode in seen:
                continue
            seen.add(inode)
            with open(f"/proc/{pid}/net/fib_trie") as table:
                if f"|-- {address}\n" not in table.read():
                    continue
            with open(path) as namespace:
                if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET) == 0:
                    if owns(address):
                        return
    sys.exit(f"no process of this machine has the address {address}")


def owns(address):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        with contextlib.suppress(OSError):
            probe.bind((address, 0))
            return True
    return False


def iptables(*arguments):
    try:
        return subprocess.run(["iptables", "-w", "-t", "mangle", *arguments], capture_output=True, text=True)
    except FileNotFoundError:
        sys.exit("iptables is not installed on this node")


@contextlib.contextmanager
def rule(others, target):
    """A rule for what goes to the others; says at the end how many bytes did."""
    match = ["OUTPUT", "-d", others, "!", "-o", "lo", "-m", "comment", "--comment", MARK, *target]
    added = iptables("-A", *match)
    if added.returncode != 0:
        sys.exit(f"packets cannot be watched: {added.stderr.strip()}")
    try:
        print("ready", flush=True)
        yield
    finally:
        rules = iptables("-L", "OUTPUT", "-v", "-x", "-n").stdout.splitlines()
        print("sent", sum(int(line.split()[1]) for line in rules if MARK in line), flush=True)
        iptables("-D", *match)


def message(kind, *attributes, flags=1):
    body = struct.pack(">BBH", 0, 0, QUEUE)
    for number, value in attributes:
        body += struct.pack("=HH", 4 + len(value), number) + value + bytes(-len(value) % 4)
    return struct.pack("=IHHII", 16 + len(body), kind, flags, 0, 0) + body


def packet_ids(data):
    """The ids of the packets that a datagram of netlink messages tells of."""
    at = 0
    while at < len(data):
        length, kind = struct.unpack_from("=IH", data, at)
        attribute = at + 20
        while kind == PACKET and attribute < at + length:
            size, number = struct.unpack_from("=HH", data, attribute)
            if number & 0x7FFF == PACKET_HEADER:
                yield struct.unpack_from(">I", data, attribute + 4)[0]
            attribute += (size + 3) & ~3
        at += (length + 3) & ~3


def open_queue():
    queue = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
    queue.bind((0, 0))
    queue.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    queue.send(message(CONFIG, (CONFIG_COMMAND, struct.pack(">BxH", BIND, socket.AF_INET))))
    queue.send(message(CONFIG, (CONFIG_PARAMETERS, struct.pack(">IB", 0, COPY_META))))
    queue.send(message(CONFIG, (CONFIG_MAX_LENGTH, struct.pack(">I", QUEUE_LENGTH))))
    return queue


def hold(queue, seconds, stopped):
    """Lets each packet go so many seconds after it came."""
    waiting = collections.deque()
    while not stopped:
        left = None if not waiting else max(0, waiting[0][0] - time.monotonic())
        readable, _, _ = select.select([queue], [], [], 1 if left is None else left)
        now = time.monotonic()
        if readable:
            waiting.extend((now + seconds, packet) for packet in packet_ids(queue.recv(1 << 16)))
        last = None
        while waiting and waiting[0][0] <= now:
            last = waiting.popleft()[1]
        if last is not None:
            # A batch verdict holds for every packet up to that one.
            queue.send(message(VERDICT_BATCH, (VERDICT_HEADER, struct.pack(">II", ACCEPT, last))))


def main():
    address, milliseconds, others = sys.argv[1:]
    stopped = []
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stopped.append(True))
    enter_namespace_of(address)
    if float(milliseconds) == 0:
        with rule(others, []):
            while not stopped:
                time.sleep(0.1)
        return
    with open_queue() as queue, rule(others, ["-j", "NFQUEUE", "--queue-num", str(QUEUE), "--queue-bypass"]):
        hold(queue, float(milliseconds) / 1000, stopped)


main()
