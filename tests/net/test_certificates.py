"""A server that asks for a client certificate lets in a client that shows one, and nobody else."""

import datetime as dt
import inspect
import ipaddress
import ssl
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from worker.errors import InvalidRequestError
from worker.net.certificates import ClientCertificate, context_with
from worker.net.http import open_client

NOW = dt.datetime.now(dt.UTC)


def named(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def issued(name, issuer, issuer_key, key, *, is_authority=False):
    builder = (
        x509.CertificateBuilder()
        .subject_name(named(name))
        .issuer_name(named(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - dt.timedelta(days=1))
        .not_valid_after(NOW + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
    )
    # Python 3.13 verifies strictly: it wants to be told whose key it is, and what an authority's is for.
    own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    above = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    builder = builder.add_extension(own, critical=False).add_extension(above, critical=False)
    if is_authority:
        uses = dict.fromkeys(inspect.signature(x509.KeyUsage).parameters, False) | {"key_cert_sign": True}
        builder = builder.add_extension(x509.KeyUsage(**uses), critical=True)
    return builder.sign(issuer_key, hashes.SHA256())


def pem(thing):
    if isinstance(thing, x509.Certificate):
        return thing.public_bytes(serialization.Encoding.PEM).decode()
    form = serialization.PrivateFormat.PKCS8
    return thing.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


@pytest.fixture(scope="module")
def authority():
    key = ec.generate_private_key(ec.SECP256R1())
    return key, issued("authority", "authority", key, key, is_authority=True)


@pytest.fixture
def client_certificate(authority):
    key = ec.generate_private_key(ec.SECP256R1())
    return ClientCertificate(certificate=pem(issued("client", "authority", authority[0], key)), private_key=pem(key))


class _Hello(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        pass


@pytest.fixture
def server(authority, tmp_path, monkeypatch):
    key = ec.generate_private_key(ec.SECP256R1())
    for name, text in (
        ("authority.pem", pem(authority[1])),
        ("server.pem", pem(issued("server", "authority", authority[0], key))),
        ("key.pem", pem(key)),
    ):
        (tmp_path / name).write_text(text)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem", tmp_path / "key.pem")
    context.load_verify_locations(tmp_path / "authority.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    listening = HTTPServer(("127.0.0.1", 0), _Hello)
    listening.socket = context.wrap_socket(listening.socket, server_side=True)
    listening.handle_error = lambda *_: None
    thread = Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"https://127.0.0.1:{listening.server_port}/"
    listening.shutdown()
    listening.server_close()
    thread.join(5)


def test_the_certificate_is_shown_to_a_server_that_asks_for_it(server, client_certificate):
    with open_client(certificate=client_certificate) as client:
        assert client.get(server).json() == {}


def test_without_it_the_same_server_answers_nobody(server):
    with httpx2.Client(verify=httpx2.create_ssl_context()) as client, pytest.raises(httpx2.TransportError):
        client.get(server)


@pytest.mark.parametrize("wrong", ["certificate", "private_key"])
def test_what_is_no_pem_is_refused_without_being_repeated(client_certificate, wrong):
    parts = {"certificate": client_certificate.certificate, "private_key": client_certificate.private_key}
    with pytest.raises(InvalidRequestError, match="cannot be read as PEM") as caught:
        context_with(ClientCertificate(**parts | {wrong: "canary-no-pem"}))
    assert "canary" not in str(caught.value)


def test_a_key_that_belongs_to_another_certificate_is_refused(client_certificate):
    other = pem(ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(InvalidRequestError):
        context_with(ClientCertificate(certificate=client_certificate.certificate, private_key=other))
