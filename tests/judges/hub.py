"""The program's demo as judges and benches start it: with nothing but `requests`."""

import os
import re
import shutil
import socket
import subprocess
import tempfile
import time

KEY = "a-key-for-the-judges"
PATIENCE = 120


def wait(what, look):
    """The first true answer of `look`; timing never decides, a hang ends after two minutes."""
    end = time.monotonic() + PATIENCE
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < end, f"{what} does not come"
        time.sleep(0.05)


class Demo:
    """The program's demo, on a port of its own; `at` stands its clock still."""

    def __init__(self, program, at=None):
        self.program = program
        self.folder = tempfile.mkdtemp(prefix="judges-")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = "127.0.0.1:%d" % free.getsockname()[1]
        self.environment = dict(
            os.environ,
            PASSERELLE__SERVER__LISTEN=address,
            PASSERELLE__SERVER__ADMIN_KEY=KEY,
            PASSERELLE__FETCH__ALLOW_HOSTS="127.0.0.1",
        )
        if at is not None:
            self.clock_file = os.path.join(self.folder, "clock")
            self.clock(at)
            self.environment["PASSERELLE_CLOCK"] = "FILE:" + self.clock_file
        self.base = "http://" + address
        self.start()

    def start(self):
        self.log = open(os.path.join(self.folder, "log"), "w+")
        self.process = subprocess.Popen(
            [self.program, "demo", "--data", os.path.join(self.folder, "data")],
            stdout=self.log,
            stderr=subprocess.STDOUT,
            env=self.environment,
        )
        wait("the demo", lambda: "ready http" in self.said())
        self.systems = wait("its second address", lambda: re.search(r"answer on (\S+)", self.said()))
        self.systems = self.systems.group(1)

    def restart(self, **settings):
        """The same hub with other settings."""
        self.process.terminate()
        self.process.wait(60)
        self.environment.update(settings)
        self.start()

    def clock(self, at):
        with open(self.clock_file + ".new", "w") as out:
            out.write(at)
        os.replace(self.clock_file + ".new", self.clock_file)

    def said(self):
        assert self.process.poll() is None, open(self.log.name).read()
        return open(self.log.name).read()

    def run(self, *command):
        settings = os.path.join(self.folder, "data", "passerelle.toml")
        done = subprocess.run(
            [self.program, "--config", settings, *command],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert done.returncode in (0, 3), (command, done.stdout, done.stderr)

    def end(self):
        self.process.terminate()
        self.process.wait(30)
        shutil.rmtree(self.folder, ignore_errors=True)
