"""Many CoAP clients in one process of their own, so that they don't compete with the server they ask.

    python tests/perf/coap_clients.py

It is told what to do by lines of JSON on its input and answers each by one on its output:

    {"do": "open", "clients": 2000, "port": 5683}           a socket for each client
    {"do": "ask", "requests": [hex, ...], "rounds": 3}      -> {"seconds": s, "answers": [hex, ...]} of the last round
    {"do": "serve"}                                         answer each GET with 2.05 until the next line comes

Each client has one request under way at most, all of them together ``WINDOW``. Datagrams are octets written by hand.
"""

from __future__ import annotations

import json
import resource
import select
import socket
import sys
import time

WINDOW = 64
LOST_AFTER_S = 2.0


class Clients:
    def __init__(self, count: int, port: int) -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft < count + 100:
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(count + 100, hard), hard))
        self.poll = select.epoll()
        self.sockets: dict[int, socket.socket] = {}
        for _ in range(count):
            client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            client.connect(("127.0.0.1", port))
            client.setblocking(False)
            self.sockets[client.fileno()] = client
            self.poll.register(client.fileno(), select.EPOLLIN)

    def ask(self, requests: list[bytes], rounds: int) -> tuple[float, list[bytes]]:
        """Every client sends its request, ``rounds`` times with new message ids."""
        numbers = list(self.sockets)
        answers: dict[int, bytes] = {}
        began = time.perf_counter()
        for round_number in range(rounds):
            request_of = {number: request[:2] + (int.from_bytes(request[2:4], "big") + round_number).to_bytes(2, "big")
                          + request[4:] for number, request in zip(numbers, requests, strict=True)}
            waiting, under_way = list(reversed(numbers)), set()
            while waiting or under_way:
                while waiting and len(under_way) < WINDOW:
                    number = waiting.pop()
                    under_way.add(number)
                    self.sockets[number].send(request_of[number])
                ready = self.poll.poll(LOST_AFTER_S)
                for number, _ in ready:
                    if number in self.sockets:
                        answer = self.sockets[number].recv(2048)
                        if answer[2:4] == request_of[number][2:4]:
                            answers[number] = answer
                            under_way.discard(number)
                if not ready:
                    for number in under_way:
                        self.sockets[number].send(request_of[number])
        return time.perf_counter() - began, [answers[number] for number in numbers]

    def serve(self) -> None:
        """Piggybacked 2.05, Content-Format 0, "Elvaco", until there is something on the standard input."""
        self.poll.register(sys.stdin.fileno(), select.EPOLLIN)
        while True:
            for number, _ in self.poll.poll():
                if number == sys.stdin.fileno():
                    self.poll.unregister(number)
                    return
                asked = self.sockets[number].recv(2048)
                if asked[1] == 1:
                    token_length = asked[0] & 0x0F
                    self.sockets[number].send(bytes([0x60 | token_length, 0x45]) + asked[2:4 + token_length]
                                              + b"\xc0\xffElvaco")


def main() -> None:
    clients: Clients | None = None
    while line := sys.stdin.readline():
        order = json.loads(line)
        reply: dict[str, object] = {}
        if order["do"] == "open":
            clients = Clients(order["clients"], order["port"])
        elif order["do"] == "ask":
            assert clients is not None
            seconds, answers = clients.ask([bytes.fromhex(one) for one in order["requests"]], order["rounds"])
            reply = {"seconds": seconds, "answers": [one.hex() for one in answers]}
        else:
            print("{}", flush=True)
            assert clients is not None
            clients.serve()
            continue
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    main()
