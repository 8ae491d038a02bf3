"""Signatures of versions: what verifies, what does not, and what each message says."""

import json
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from stages.engine.errors import InputError, NotFound
from stages.engine.files import sha256_bytes
from stages.registry import signature, signing_key
from stages.registry.signature import UntrustedVersionError, verify
from stages.registry.trusted_key import trusted_key

PACKAGE = b'{"format": 2}\n'


def sign(package: bytes, private_key: Path) -> bytes:
    return signature.sign(package, signing_key.read(private_key))


@pytest.fixture(autouse=True)
def _no_passphrase(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PNEUMONIA_PUBLIC_KEY", "PNEUMONIA_KEY_PASSPHRASE", "DVC_ROOT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def private(tmp_path: Path) -> Path:
    path = tmp_path / "release.key"
    signing_key.create(path, {})
    return path


@pytest.fixture
def public(private: Path) -> Path:
    return private.with_name("release.key.pub")


def pem(key: Any) -> bytes:
    return bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


def public_pem(key: Any) -> bytes:
    return bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )


def test_what_was_signed_verifies_and_names_its_key(private: Path, public: Path) -> None:
    signed = sign(PACKAGE, private)
    assert sign(PACKAGE, private) == signed  # Ed25519 draws no random number
    key = verify(PACKAGE, signed, public)
    content = json.loads(signed)
    assert content.keys() == {"format", "algorithm", "key", "package", "signature"}
    assert (content["key"], content["package"]) == (key, sha256_bytes(PACKAGE))


def test_openssl_verifies_the_same_signature(private: Path, public: Path, tmp_path: Path) -> None:
    import base64

    (tmp_path / "package.json").write_bytes(PACKAGE)
    signed = json.loads(sign(PACKAGE, private))
    (tmp_path / "raw").write_bytes(base64.b64decode(signed["signature"]))
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", str(public), "-rawin"]
    try:
        done = subprocess.run(
            [*command, "-in", "package.json", "-sigfile", "raw"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        pytest.skip("needs openssl")
    assert "Verified Successfully" in done.stdout, done.stderr


def other_key(content: dict[str, Any], folder: Path) -> None:
    signing_key.create(folder / "other.key", {})
    content |= json.loads(sign(PACKAGE, folder / "other.key"))


def claimed_key(content: dict[str, Any], folder: Path) -> None:
    """A signature by another key that claims the trusted one."""
    key = content["key"]
    other_key(content, folder)
    content["key"] = key


def other_package(content: dict[str, Any], folder: Path) -> None:
    content["package"] = sha256_bytes(b"another")


def set_to(key: str, value: object) -> Callable[[dict[str, Any], Path], None]:
    def change(content: dict[str, Any], folder: Path) -> None:
        content[key] = value

    return change


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (other_key, "expected a signature by a key of .*, found one by the key"),
        (claimed_key, "found other bytes in its place"),
        (other_package, "the version was changed after it was signed"),
        (set_to("signature", "AAAA"), "found other bytes in its place"),
        (set_to("signature", "no base64 ü"), "found other bytes in its place"),
        (set_to("signature", None), "found other bytes in its place"),
        (set_to("algorithm", "RSA"), "expected a signature of format 1 by Ed25519"),
        (set_to("format", 2), "expected a signature of format 1 by Ed25519"),
        (set_to("key", ["a"]), "found one by the key"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_another_signature_is_refused(
    private: Path,
    public: Path,
    tmp_path: Path,
    change: Callable[[dict[str, Any], Path], None],
    problem: str,
) -> None:
    content = json.loads(sign(PACKAGE, private))
    change(content, tmp_path)
    with pytest.raises(UntrustedVersionError, match=problem):
        verify(PACKAGE, json.dumps(content).encode(), public)


@pytest.mark.parametrize("signed", [b"", b"[]", b"null", b"{}", b"\xff", b"[" * 100000])
def test_what_is_no_signature_is_refused(public: Path, signed: bytes) -> None:
    with pytest.raises(UntrustedVersionError, match="expected a signature of format 1"):
        verify(PACKAGE, signed, public)


def test_no_signature_and_another_package_are_refused(private: Path, public: Path) -> None:
    with pytest.raises(UntrustedVersionError, match="found none; whoever has the private key"):
        verify(PACKAGE, None, public)
    with pytest.raises(UntrustedVersionError, match="changed after it was signed"):
        verify(PACKAGE + b" ", sign(PACKAGE, private), public)


def test_several_keys_are_trusted_while_one_replaces_another(tmp_path: Path) -> None:
    names = ("old", "new")
    keys = {name: signing_key.create(tmp_path / name, {}) for name in names}
    both = tmp_path / "both.pub"
    both.write_bytes(b"".join((tmp_path / f"{name}.pub").read_bytes() for name in names))
    for name in names:
        assert verify(PACKAGE, sign(PACKAGE, tmp_path / name), both) == keys[name]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "found something else"),
        (b"a text", "found something else"),
        (lambda: pem(ed25519.Ed25519PrivateKey.generate()), "expected a public key, found a priva"),
        (lambda: public_pem(ec.generate_private_key(ec.SECP256R1())), "found one of another kind"),
        (
            lambda: public_pem(ed25519.Ed25519PrivateKey.generate()).replace(b"MC", b"MD"),
            "found a damaged one",
        ),
        (lambda: public_pem(ed25519.Ed25519PrivateKey.generate()) + b"x", "found something else"),
        (b"x" * 2**17, "found more than 65,536 bytes"),
    ],
)
def test_a_file_without_a_public_key_is_refused(
    tmp_path: Path, content: bytes | Callable[[], bytes], problem: str
) -> None:
    path = tmp_path / "key.pub"
    path.write_bytes(content if isinstance(content, bytes) else content())
    with pytest.raises(InputError, match=problem):
        verify(PACKAGE, None, path)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"a text", "expected an Ed25519 private key in PEM, found another"),
        (lambda: public_pem(ed25519.Ed25519PrivateKey.generate()), "found a public one"),
        (lambda: pem(rsa.generate_private_key(65537, 2048)), "found one of another kind"),
        (lambda: pem(ed25519.Ed25519PrivateKey.generate())[:90], "in PEM, found another"),
    ],
)
def test_a_file_without_a_private_key_is_refused(
    tmp_path: Path, content: bytes | Callable[[], bytes], problem: str
) -> None:
    path = tmp_path / "key"
    path.write_bytes(content if isinstance(content, bytes) else content())
    path.chmod(0o600)
    with pytest.raises(InputError, match=problem):
        sign(PACKAGE, path)


def test_a_missing_key_is_named(tmp_path: Path, public: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(InputError, match=rf"{path}: expected .*an Ed25519 public key"):
            verify(PACKAGE, None, path)
        with pytest.raises(InputError, match=rf"{path}: expected .*an Ed25519 private key"):
            sign(PACKAGE, path)


def test_a_pair_is_written_once_and_the_private_key_for_its_owner_only(tmp_path: Path) -> None:
    private, public = tmp_path / "key", tmp_path / "key.pub"
    name = signing_key.create(private, {})
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert [signature.fingerprint(key) for key in signature.read_public_keys(public)] == [name]
    before = private.read_bytes(), public.read_bytes()
    with pytest.raises(InputError, match="expected no file there, found one"):
        signing_key.create(private, {})
    public.unlink()
    with pytest.raises(InputError, match=rf"{private}: expected no file there"):
        signing_key.create(private, {})
    assert not public.exists()  # no public key without its private one
    assert private.read_bytes() == before[0]
    with pytest.raises(NotFound, match="expected an existing folder"):
        signing_key.create(tmp_path / "none/key", {})
    private.chmod(0o644)
    with pytest.raises(InputError, match=f"run `chmod 600 {private}`"):
        sign(PACKAGE, private)


def test_a_passphrase_comes_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = {"PNEUMONIA_KEY_PASSPHRASE": "correct horse"}
    private = tmp_path / "key"
    signing_key.create(private, secret)
    assert b"ENCRYPTED" in private.read_bytes()
    with pytest.raises(InputError, match=r"expected the passphrase .* in PNEUMONIA_KEY_PASSPHRASE"):
        sign(PACKAGE, private)
    monkeypatch.setenv("PNEUMONIA_KEY_PASSPHRASE", "wrong horse")
    with pytest.raises(InputError, match="a wrong passphrase in PNEUMONIA_KEY_PASSPHRASE") as error:
        sign(PACKAGE, private)
    assert "horse" not in str(error.value)
    monkeypatch.setenv("PNEUMONIA_KEY_PASSPHRASE", "correct horse")
    verify(PACKAGE, sign(PACKAGE, private), tmp_path / "key.pub")
    # A key without a passphrase needs none, even where one is set.
    signing_key.create(tmp_path / "plain", {})
    sign(PACKAGE, tmp_path / "plain")


def test_which_key_is_trusted(
    tmp_path: Path, public: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    signing_key.create(tmp_path / "other", {})
    other, same = tmp_path / "other.pub", tmp_path / "copy.pub"
    same.write_bytes(public.read_bytes())
    assert trusted_key(None, {}) is None
    assert trusted_key(public.name, {}) == Path(public.name)  # relative to the root
    assert trusted_key(None, {"PNEUMONIA_PUBLIC_KEY": str(public)}) == public
    assert trusted_key(public.name, {"PNEUMONIA_PUBLIC_KEY": str(same)}) == Path(public.name)
    for environment, problem in {
        str(other): "PNEUMONIA_PUBLIC_KEY: expected the keys of register.public_key",
        "": "PNEUMONIA_PUBLIC_KEY: expected the path of .*, received an empty text",
        str(tmp_path / "none.pub"): "PNEUMONIA_PUBLIC_KEY: .*none.pub: expected .*, found no file",
    }.items():
        with pytest.raises(InputError, match=problem):
            trusted_key(public.name, {"PNEUMONIA_PUBLIC_KEY": environment})
    with pytest.raises(InputError, match=r"register.public_key: none.pub: expected"):
        trusted_key("none.pub", {})
