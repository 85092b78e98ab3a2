//! `dpex server unit`: what a service manager needs to keep a server running.

use std::path::Path;

use super::Context;
use crate::args::UnitArgs;
use crate::error::{Blame, CliError, CliResult, reason};

/// Runs it.
pub(super) fn run(context: &Context, args: &UnitArgs) -> CliResult {
    let program = std::env::current_exe()
        .map_err(|e| CliError::new(Blame::Internal, format!("this program does not know its path: {}", reason(&e))))?;
    let home = context.home.root();
    let mut words = Vec::new();
    for (flag, path) in [("--config", &context.config), ("--passphrase-file", &context.passphrase_file)] {
        if let Some(path) = path {
            let path = std::path::absolute(path).map_err(|e| CliError::disk("find", path, &e))?;
            words.extend([flag.to_owned(), path.display().to_string()]);
        }
    }
    if args.launchd {
        return context.ui.answer(&launchd(&program, home, &words));
    }
    let unit = if args.system { system(&program, &words) } else { user(&program, home, &words) };
    context.ui.answer(&unit)?;
    context.ui.say(if args.system {
        "Put it into /etc/systemd/system/dpex.service. It runs as a user of its own, whose home is /var/lib/dpex:\n\
         `sudo useradd --system --create-home --home-dir /var/lib/dpex --shell /usr/sbin/nologin dpex`, and all commands\n\
         are `sudo -u dpex dpex --home /var/lib/dpex ...`, beginning with `server init`. Then `systemctl daemon-reload`\n\
         and `systemctl enable --now dpex`."
    } else {
        "Put it into ~/.config/systemd/user/dpex.service; then `systemctl --user enable --now dpex`, and\n\
         `loginctl enable-linger`, so that it runs while you are not logged in."
    });
    Ok(())
}

/// What holds for both: nothing that the server does not need.
const HARDENED: &str = "\
NoNewPrivileges=yes
LimitCORE=0
UMask=0077
LockPersonality=yes
MemoryDenyWriteExecute=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictNamespaces=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM
";

fn service(program: &Path, home: &str, words: &[String]) -> String {
    let program = on_a_command_line(&program.display().to_string());
    let words: String = words.iter().map(|word| format!(" {}", on_a_command_line(word))).collect();
    let home = format!("{home}{words}");
    format!(
        "[Service]\n\
         Type=notify\n\
         ExecStart={program} --home {home} server serve\n\
         ExecReload={program} --home {home} server reload\n\
         ExecStop={program} --home {home} server stop\n\
         TimeoutStopSec=30\n\
         WatchdogSec=60\n\
         Restart=on-failure\n\
         RestartSec=5\n\
         # A wrong setting is not mended by trying again.\n\
         RestartPreventExitStatus=2 3\n"
    )
}

fn head(after: &str) -> String {
    format!(
        "[Unit]\n\
         Description=dpex: files for named people, over one silent UDP port\n\
         {after}\n\n"
    )
}

fn user(program: &Path, home: &Path, words: &[String]) -> String {
    let home = home.display().to_string();
    let path = quoted(&home);
    format!(
        "{}{}{HARDENED}ProtectSystem=strict\nReadWritePaths={path}\nPrivateTmp=yes\n\n[Install]\nWantedBy=default.target\n",
        head("After=default.target"),
        service(program, &on_a_command_line(&home), words),
    )
}

fn system(program: &Path, words: &[String]) -> String {
    format!(
        "{}{}User=dpex\nStateDirectory=dpex\nStateDirectoryMode=0700\n{HARDENED}ProtectSystem=strict\nProtectHome=yes\n\
         PrivateTmp=yes\nPrivateDevices=yes\nProtectClock=yes\nProtectControlGroups=yes\nProtectHostname=yes\n\
         ProtectKernelLogs=yes\nProtectKernelModules=yes\nProtectKernelTunables=yes\nProtectProc=invisible\n\
         CapabilityBoundingSet=\n\n[Install]\nWantedBy=multi-user.target\n",
        head("After=network-online.target\nWants=network-online.target"),
        service(program, "%S/dpex", words),
    )
}

/// As systemd reads a word: its own signs doubled, spaces kept.
fn quoted(text: &str) -> String {
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-+".contains(&byte));
    if plain {
        return text.to_owned();
    }
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%"))
}

/// The same in a command, where a dollar sign begins a variable.
fn on_a_command_line(text: &str) -> String {
    quoted(text).replace('$', "$$")
}

fn launchd(program: &Path, home: &Path, more: &[String]) -> String {
    let escaped = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let xml = |path: &Path| escaped(&path.display().to_string());
    let mut words = vec![xml(program), "--home".into(), xml(home)];
    words.extend(more.iter().map(|word| escaped(word)));
    words.extend(["server".into(), "serve".into()]);
    let words: String = words.iter().map(|word| format!("        <string>{word}</string>\n")).collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n\
         <plist version=\"1.0\">\n\
         <dict>\n    <key>Label</key>\n    <string>dpex.server</string>\n\
         \x20   <key>ProgramArguments</key>\n    <array>\n{words}    </array>\n\
         \x20   <key>RunAtLoad</key>\n    <true/>\n\
         \x20   <key>KeepAlive</key>\n    <dict>\n        <key>SuccessfulExit</key>\n        <false/>\n    </dict>\n\
         \x20   <key>Umask</key>\n    <integer>63</integer>\n\
         \x20   <key>StandardErrorPath</key>\n    <string>{}/server/log/launchd.log</string>\n\
         </dict>\n</plist>\n",
        xml(home),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_written_so_that_the_manager_reads_the_same() {
        assert_eq!(quoted("/usr/bin/dpex"), "/usr/bin/dpex");
        assert_eq!(quoted("/my files/100%$/\"x\""), "\"/my files/100%%$/\\\"x\\\"\"");
        assert_eq!(on_a_command_line("/a$b"), "\"/a$$b\"");
        let words = ["--config".to_owned(), "/etc/my dpex.toml".to_owned()];
        let unit = user(Path::new("/usr/bin/dpex"), Path::new("/home/bob/my $files"), &words);
        let line =
            "ExecStart=/usr/bin/dpex --home \"/home/bob/my $$files\" --config \"/etc/my dpex.toml\" server serve\n";
        assert!(unit.contains(line) && unit.contains("ReadWritePaths=\"/home/bob/my $files\"\n"), "{unit}");
        let job = launchd(Path::new("/a&b"), Path::new("/h"), &words);
        assert!(
            job.contains("<string>/a&amp;b</string>") && job.contains("<string>/etc/my dpex.toml</string>"),
            "{job}"
        );
    }
}
