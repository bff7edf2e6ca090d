"""Callers for benches/authority.py: HTTP/1.1 over raw sockets, many in one thread, as cheap as Python can be.

Whoever measures shares the machine with what is measured, so requests are bytes that were made before, and of an answer only
what tells its end and its success is read.
"""
import collections
import heapq
import selectors
import socket
import time


class Caller:
    """A kept HTTP/1.1 connection with at most one request in flight. A request is all of its bytes."""

    def __init__(self, address):
        self.socket = socket.create_connection(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.sent = 0.0

    def send(self, request):
        self.socket.sendall(request)

    def receive(self):
        data = self.socket.recv(1 << 18)
        if not data:
            raise ConnectionError("the server has closed the connection")
        self.buffer += data

    def done(self):
        """Whether the answer is complete. One that is not 200 is an error."""
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        head = self.buffer[:end].lower()
        length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
        if len(self.buffer) < end + 4 + length:
            return False
        answer, self.buffer = self.buffer[end + 4 : end + 4 + length], self.buffer[end + 4 + length :]
        if not head.startswith(b"http/1.1 200"):
            raise ValueError(head.decode() + "\n" + answer.decode())
        return True


def percentile(samples, share):
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def closed(callers, request, seconds):
    """Every caller asks again as soon as it has its answer. Answers a second, and their latencies in milliseconds."""
    watch = selectors.DefaultSelector()
    start = time.perf_counter()
    for caller in callers:
        watch.register(caller.socket, selectors.EVENT_READ, caller)
        caller.sent = time.perf_counter()
        caller.send(request())
    latencies, waiting = [], len(callers)
    while waiting:
        for key, _ in watch.select(20):
            caller = key.data
            caller.receive()
            if not caller.done():
                continue
            now = time.perf_counter()
            latencies.append((now - caller.sent) * 1000)
            if now - start < seconds:
                caller.sent = now
                caller.send(request())
            else:
                waiting -= 1
    watch.close()
    return len(latencies) / (time.perf_counter() - start), latencies


def open_loop(callers, request, rate, seconds):
    """Requests come at this rate whether or not earlier ones were answered. Latencies in milliseconds, each from the moment it was due."""
    watch = selectors.DefaultSelector()
    for caller in callers:
        watch.register(caller.socket, selectors.EVENT_READ, caller)
    # In turn, so that the server ends none for being idle.
    idle, latencies, due = collections.deque(callers), [], []
    start = time.perf_counter()
    count = int(rate * seconds)
    for index in range(count):
        heapq.heappush(due, start + index / rate)
    while len(latencies) < count:
        now = time.perf_counter()
        while due and idle and due[0] <= now:
            caller = idle.popleft()
            caller.sent = heapq.heappop(due)
            caller.send(request())
        wait = max(0.0, due[0] - time.perf_counter()) if due and idle else 1.0
        for key, _ in watch.select(wait):
            caller = key.data
            caller.receive()
            if caller.done():
                latencies.append((time.perf_counter() - caller.sent) * 1000)
                idle.append(caller)
    watch.close()
    return latencies


def processor_time(pid):
    """Seconds that a process has spent on processors, all threads (clock_getcpuclockid(3): CPUCLOCK_SCHED of a process)."""
    return time.clock_gettime(~pid << 3 | 2)
