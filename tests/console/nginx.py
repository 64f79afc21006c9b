"""nginx in front of an admin, as docs/ADMIN.md configures it: TLS, a path of its own, compression, and basic authentication."""

import getpass
import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

CONFIG = """
daemon off;
user {user};
pid {folder}/pid;
error_log {folder}/error.log;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  gzip on;
  gzip_min_length 0;
  gzip_types *;
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {folder}/certificate.pem;
    ssl_certificate_key {folder}/key.pem;
    auth_basic "in front";
    auth_basic_user_file {folder}/users;
    location /prism/ {{
      proxy_pass {admin}/;
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_redirect / /prism/;
      client_max_body_size 8m;
    }}
  }}
}}
"""


class Nginx:
    """Serves an admin at `url`; `with_password` is the same with the user's name and password."""

    def __init__(self, admin):
        self.folder = tempfile.TemporaryDirectory()
        folder = Path(self.folder.name)
        files = ("-keyout", folder / "key.pem", "-out", folder / "certificate.pem")
        request = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost", *files)
        subprocess.run(request, check=True, capture_output=True)
        (folder / "users").write_text("front:{PLAIN}door\n")
        # nginx takes over a listening socket that it inherits (as at its own upgrades), so no port is guessed.
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            (folder / "nginx.conf").write_text(CONFIG.format(folder=folder, port=port, admin=admin, user=getpass.getuser()))
            command = [shutil.which("nginx") or "/usr/sbin/nginx", "-e", folder / "error.log", "-c", folder / "nginx.conf"]
            environment = {**os.environ, "NGINX": f"{listener.fileno()};"}
            self.process = subprocess.Popen(command, env=environment, pass_fds=[listener.fileno()])
        self.url = f"https://127.0.0.1:{port}/prism"
        self.with_password = self.url.replace("//", "//front:door@")

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.folder.cleanup()
