//! nginx with curl, over TLS 1.3 with AES-256-GCM.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::{Contestant, Ground, Streaming, free_port, which};
use crate::Outcome;
use crate::load::BIG;
use crate::measured::{Measured, Server};
use crate::place::{Side, done};

/// A running nginx with one worker, and curl.
pub(crate) struct Web {
    server: Server,
    client: Side,
    url: String,
    certificate: String,
}

impl Web {
    /// Starts it, where all of it is installed.
    pub(crate) fn start(ground: &Ground<'_>) -> Outcome<Option<Self>> {
        let (Some(nginx), Some(openssl), Some(_)) = (which("nginx"), which("openssl"), which("curl")) else {
            return Ok(None);
        };
        let (dir, addr) = (ground.own("web")?, &ground.place.addr);
        let (path, port) = (dir.display().to_string(), free_port()?);
        done(
            Command::new(openssl)
                .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"])
                .args(["-subj", "/CN=race", "-addext", &format!("subjectAltName=IP:{addr}")])
                .args(["-keyout", &format!("{path}/key.pem"), "-out", &format!("{path}/cert.pem")]),
        )?;
        // As a user of its own, which it would take as root, it could not read the files.
        let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
        let config = format!(
            "daemon off; master_process off; {user} pid {path}/pid; error_log /dev/null; events {{}}\n\
             http {{ access_log off; client_body_temp_path {path}; proxy_temp_path {path}; fastcgi_temp_path {path};\n\
             uwsgi_temp_path {path}; scgi_temp_path {path}; sendfile on;\n\
             server {{ listen {addr}:{port} ssl; ssl_certificate {path}/cert.pem; ssl_certificate_key {path}/key.pem;\n\
             ssl_protocols TLSv1.3; ssl_conf_command Ciphersuites TLS_AES_256_GCM_SHA384; root {}; }} }}\n",
            ground.source().display()
        );
        fs::write(dir.join("config"), config)?;
        let mut command = ground.place.server.command(&nginx);
        let server = Server::start(command.arg("-c").arg(dir.join("config")).stderr(Stdio::null()))?;
        let url = format!("https://{addr}:{port}/{BIG}");
        let client = ground.place.client.clone();
        let mut web = Self { server, client, url, certificate: format!("{path}/cert.pem") };
        let mut probe = web.curl();
        probe.args(["--head", &web.url]);
        web.server.wait(|| probe.output().is_ok_and(|ended| ended.status.success()))?;
        Ok(Some(web))
    }

    fn curl(&self) -> Command {
        let mut command = self.client.command("curl");
        command.args(["--silent", "--show-error", "--fail", "--cacert", &self.certificate]);
        command
    }
}

impl Contestant for Web {
    fn name(&self) -> String {
        "nginx, curl".into()
    }

    fn fetch(&mut self, into: &Path) -> Outcome<Measured> {
        Measured::run(self.curl().arg("--output").arg(into.join(BIG)).arg(&self.url), self.server.id())
    }
}

impl Streaming for Web {
    fn stream(&self) -> Command {
        let mut command = self.curl();
        command.arg(&self.url);
        command
    }
}
