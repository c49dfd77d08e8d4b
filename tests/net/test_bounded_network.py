"""A wait for a bank ends with its run: while it connects, while it reads, and not while credentials are exchanged."""

import socket
import threading

import httpcore2
import httpx2
import pytest

from tests.fakes.raw_server import drips, hangs, raw_server
from worker.errors import CancelRequestedError
from worker.net import bounded_network
from worker.net.addresses import RefusedTargetError
from worker.net.bounded_network import BoundedNetwork, exchange
from worker.net.http import HttpLimits, ReachableHosts, open_client, parse_private_hosts

PATIENT = {"connect_s": 30, "read_s": 30, "total_s": 30}


def _cancelled():
    raise CancelRequestedError("cancelled")


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n"


@pytest.mark.parametrize("bank", [hangs, drips(HEAD), drips(HEAD + b"\r\n")], ids=["hangs", "head", "body"])
def test_a_cancel_ends_the_wait_for_an_answer_also_for_one_that_comes_byte_by_byte(bank):
    limits = HttpLimits(**PATIENT, check=_cancelled)
    with raw_server(bank) as url, open_client(limits) as http, pytest.raises(CancelRequestedError):
        http.get(url)


def test_a_request_whose_answer_is_given_once_is_waited_for_to_the_end():
    limits = HttpLimits(connect_s=5, read_s=1.5, total_s=30, check=_cancelled)
    with raw_server(hangs) as url, open_client(limits) as http, pytest.raises(httpx2.ReadTimeout):
        http.post(url, extensions={"uninterrupted": True})


@pytest.fixture
def stuck(monkeypatch):
    """A resolver that does not answer before it is told to."""
    told = threading.Event()

    def resolve(*_asked, **_more):
        told.wait(30)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 443))]

    monkeypatch.setattr(bounded_network.socket, "getaddrinfo", resolve)
    yield told
    told.set()


@pytest.mark.usefixtures("stuck")
def test_a_cancel_ends_the_wait_for_a_name_and_so_does_the_deadline():
    with exchange(30, _cancelled), pytest.raises(CancelRequestedError):
        BoundedNetwork(ReachableHosts()).connect_tcp("bank.test", 443, timeout=30)
    with exchange(0.6, lambda: None), pytest.raises(httpcore2.ConnectTimeout):
        BoundedNetwork(ReachableHosts()).connect_tcp("bank.test", 443, timeout=30)


def test_a_connection_that_comes_too_late_is_closed(stuck, monkeypatch):
    closed = threading.Event()

    class Late(httpcore2.NetworkStream):
        def close(self):
            closed.set()

    network = BoundedNetwork(parse_private_hosts("bank.test:443"))
    monkeypatch.setattr(network._sockets, "connect_tcp", lambda *_: stuck.wait(30) and Late())
    with exchange(30, _cancelled), pytest.raises(CancelRequestedError):
        network.connect_tcp("bank.test", 443, timeout=30)
    stuck.set()
    assert closed.wait(10)


@pytest.mark.parametrize(
    "answers",
    [
        ["10.0.0.1"],
        ["93.184.216.34", "127.0.0.1"],
        ["::ffff:127.0.0.1"],
        ["64:ff9b::7f00:1"],
        ["fd00::1", "2606:2800::1"],
    ],
)
def test_a_name_that_leads_inside_is_refused_whatever_else_it_leads_to(monkeypatch, answers):
    def resolve(*_asked, **_more):
        return [(socket.AF_INET6 if ":" in one else socket.AF_INET, 1, 6, "", (one, 443)) for one in answers]

    monkeypatch.setattr(bounded_network.socket, "getaddrinfo", resolve)
    with exchange(5, lambda: None), pytest.raises(RefusedTargetError):
        BoundedNetwork(ReachableHosts()).connect_tcp("bank.test", 443, timeout=5)


def test_what_was_looked_at_is_what_is_connected_to(monkeypatch):
    """A name that leads elsewhere the second time it is asked for is asked for once."""
    asked, reached = [], []

    def resolve(*_asked, **_more):
        asked.append(1)
        return [(socket.AF_INET, 1, 6, "", ("93.184.216.34" if len(asked) == 1 else "127.0.0.1", 443))]

    def connect(address, *_more):
        reached.append(address)
        raise httpcore2.ConnectError("nobody is there")

    monkeypatch.setattr(bounded_network.socket, "getaddrinfo", resolve)
    network = BoundedNetwork(ReachableHosts())
    monkeypatch.setattr(network._sockets, "connect_tcp", connect)
    with exchange(5, lambda: None), pytest.raises(httpcore2.ConnectError):
        network.connect_tcp("bank.test", 443, timeout=5)
    assert (len(asked), reached) == (1, ["93.184.216.34"])
