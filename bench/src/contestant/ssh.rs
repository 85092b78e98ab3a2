//! scp and rsync, over an SSH server of their own with AES-256-GCM.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::rc::Rc;

use super::{Contestant, Ground, free_port, which};
use crate::Outcome;
use crate::load::BIG;
use crate::measured::{Measured, Server};
use crate::place::{Side, done};

/// A running SSH server that lets this user in with a key made for the race.
pub(crate) struct Sshd {
    server: Server,
    client: Side,
    dir: PathBuf,
    port: u16,
    addr: String,
}

impl Sshd {
    /// Starts one, where there is one.
    pub(crate) fn start(ground: &Ground<'_>) -> Outcome<Option<Self>> {
        let (Some(sshd), Some(keygen)) = (which("sshd"), which("ssh-keygen")) else { return Ok(None) };
        let dir = ground.own("ssh")?;
        for key in ["host", "user"] {
            done(Command::new(&keygen).args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(dir.join(key)))?;
        }
        fs::copy(dir.join("user.pub"), dir.join("authorized"))?;
        let (port, path) = (free_port()?, dir.display());
        let config = format!(
            "Port {port}\nListenAddress {}\nHostKey {path}/host\nAuthorizedKeysFile {path}/authorized\n\
             StrictModes no\nUsePAM no\nPermitRootLogin prohibit-password\nPidFile none\nSubsystem sftp internal-sftp\n",
            ground.place.addr
        );
        fs::write(dir.join("config"), config)?;
        if rustix::process::geteuid().is_root() {
            // Where Debian's sshd locks itself in; its service makes it at each start.
            fs::create_dir_all("/run/sshd")?;
        }
        let mut command = ground.place.server.command(&sshd);
        let server = Server::start(command.args(["-D", "-e", "-f"]).arg(dir.join("config")).stderr(Stdio::null()))?;
        let (addr, client) = (ground.place.addr.clone(), ground.place.client.clone());
        let mut this = Self { server, client, dir, port, addr };
        let mut probe = this.client.command("ssh");
        probe.args(this.options()).args(["-p", &port.to_string(), &this.addr, "true"]);
        this.server.wait(|| probe.output().is_ok_and(|ended| ended.status.success()))?;
        Ok(Some(this))
    }

    fn options(&self) -> Vec<String> {
        let dir = self.dir.display();
        let mut options = vec!["-F".into(), "none".into(), "-i".into(), format!("{dir}/user")];
        for option in [
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "LogLevel=ERROR",
            "Ciphers=aes256-gcm@openssh.com",
        ] {
            options.extend(["-o".into(), option.into()]);
        }
        options
    }
}

/// `scp`, recursive for a tree.
pub(crate) struct Scp {
    sshd: Rc<Sshd>,
    command: Vec<String>,
}

impl Scp {
    pub(crate) fn new(ground: &Ground<'_>, sshd: Rc<Sshd>) -> Self {
        let mut command = vec!["-q".into(), "-P".into(), sshd.port.to_string()];
        command.extend(sshd.options());
        let source = ground.source();
        if ground.load.is_small() {
            command.extend(["-r".into(), format!("{}:{}/.", sshd.addr, source.display())]);
        } else {
            command.push(format!("{}:{}/{BIG}", sshd.addr, source.display()));
        }
        Self { sshd, command }
    }
}

impl Contestant for Scp {
    fn name(&self) -> String {
        "scp".into()
    }

    fn fetch(&mut self, into: &Path) -> Outcome<Measured> {
        Measured::run(self.sshd.client.command("scp").args(&self.command).arg(into), self.sshd.server.id())
    }
}

/// `rsync -a` over ssh.
pub(crate) struct Rsync {
    sshd: Rc<Sshd>,
    command: Vec<String>,
}

impl Rsync {
    /// It, where it is installed.
    pub(crate) fn new(ground: &Ground<'_>, sshd: Rc<Sshd>) -> Option<Self> {
        which("rsync")?;
        let shell = format!("ssh -p {} {}", sshd.port, sshd.options().join(" "));
        let command = vec!["-a".into(), "-e".into(), shell, format!("{}:{}/", sshd.addr, ground.source().display())];
        Some(Self { sshd, command })
    }
}

impl Contestant for Rsync {
    fn name(&self) -> String {
        "rsync".into()
    }

    fn fetch(&mut self, into: &Path) -> Outcome<Measured> {
        Measured::run(self.sshd.client.command("rsync").args(&self.command).arg(into), self.sshd.server.id())
    }
}
