//! Commands and byte streams inside a container or the guest in it.
//!
//! Both run the same small agent (`images/guest/agent`): in the container as an attached exec, in the
//! guest behind TCP port 7000 of the control link, reached by an attached `socat`. Either way the
//! driver speaks over the exec's stdio, so remote engines work and nothing is mounted.
//!
//! Invariant: a connection serves one request at a time and goes back to the pool only after its
//! answer was read whole; one that failed or timed out is dropped.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use futures_util::Stream;
use testcontainers::bollard::{
    Docker,
    container::LogOutput,
    exec::{StartExecOptions, StartExecResults},
    models::ExecConfig,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, ReadBuf},
    sync::Mutex,
    time::timeout,
};

use crate::{Error, Result};

/// The guest's address on the control link.
pub const GUEST_ADDRESS: &str = "169.254.100.2";

/// The container's own address on the control link. Connecting from it fails until the link is there;
/// without it the default route would carry the attempt to whoever answers out there.
pub const CONTROL_ADDRESS: &str = "169.254.100.1";

/// Where a shell's commands run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the container itself.
    Container,
    /// In the user-mode Linux guest inside the container.
    Guest,
}

/// The result of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// The exit status; 124 or 137 when the time ran out.
    pub status: i32,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
}

impl Finished {
    /// Standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard error as text.
    pub fn errors(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// Standard error, or standard output when there is none: what to show a person.
    pub fn complaint(&self) -> String {
        let errors = self.errors();
        let text = if errors.trim().is_empty() { self.text() } else { errors };
        text.trim().chars().take(2000).collect()
    }
}

/// Runs commands in one container or guest.
pub struct Shell {
    docker: Docker,
    container: String,
    place: Place,
    idle: Mutex<Vec<BufReader<ExecStream>>>,
}

impl Shell {
    /// A shell in `container`; nothing is started yet.
    pub fn new(docker: Docker, container: impl Into<String>, place: Place) -> Self {
        Self { docker, container: container.into(), place, idle: Mutex::new(Vec::new()) }
    }

    /// Where the commands run.
    pub fn place(&self) -> Place {
        self.place
    }

    /// Runs a shell script and waits for it. What begins with `@` the agent does itself.
    pub async fn run(&self, script: &str, within: Duration) -> Result<Finished> {
        self.run_with(script, &[], within).await
    }

    /// Runs a shell script with standard input.
    pub async fn run_with(&self, script: &str, stdin: &[u8], within: Duration) -> Result<Finished> {
        let began = Instant::now();
        let reused = self.idle.lock().await.pop();
        let mut connection = match reused {
            Some(connection) => connection,
            None => BufReader::new(self.connect().await?),
        };
        let seconds = within.as_secs().max(1);
        let mut request = format!("{} {} {seconds}\n", script.len(), stdin.len()).into_bytes();
        request.extend_from_slice(script.as_bytes());
        request.extend_from_slice(stdin);
        // The agent's own limit comes first; this one is for an agent that is gone.
        let limit = Duration::from_secs(seconds + 5);
        let finished =
            timeout(limit, converse(&mut connection, &request)).await.map_err(|_| {
                Error::Timeout {
                    what: format!("the agent's answer to {:?}", shorten(script)),
                    within: limit,
                    last: String::from("nothing"),
                }
            })??;
        self.idle.lock().await.push(connection);
        let took = began.elapsed();
        tracing::trace!(?took, status = finished.status, script = shorten(script), "command");
        Ok(finished)
    }

    /// Runs a shell script and returns its output; any other status than 0 is an error.
    pub async fn output(&self, script: &str, within: Duration) -> Result<String> {
        let finished = self.run(script, within).await?;
        if finished.status != 0 {
            return Err(Error::Command {
                command: shorten(script),
                status: finished.status,
                output: finished.complaint(),
            });
        }
        Ok(finished.text())
    }

    /// Writes a file (mode 0600), replacing what was there.
    pub async fn write_file(&self, path: &str, contents: &str) -> Result<()> {
        let command = format!("@write {path}");
        let finished = self.run_with(&command, contents.as_bytes(), FILE).await?;
        if finished.status != 0 {
            return Err(Error::Command {
                command,
                status: finished.status,
                output: finished.complaint(),
            });
        }
        Ok(())
    }

    /// Reads a file from an octet on; nothing if there is no such file.
    pub async fn read_file(&self, path: &str, from: u64) -> Result<String> {
        self.output(&format!("@read {from} {path}"), FILE).await
    }

    /// Waits until there is a file or a socket; false if there is none by then.
    pub async fn appears(&self, path: &str, within: Duration) -> Result<bool> {
        let command = format!("@wait {} {path}", within.as_secs());
        Ok(self.run(&command, within + FILE).await?.status == 0)
    }

    /// The size of a file in octets; 0 if there is no such file.
    pub async fn file_size(&self, path: &str) -> Result<u64> {
        let text = self.output(&format!("@size {path}"), FILE).await?;
        text.trim().parse().map_err(|_| Error::parse("a file's size", "expected a number", &text))
    }

    /// Starts a program in the container (never the guest) with its stdio as a byte stream.
    pub async fn stream(&self, command: &[&str]) -> Result<ExecStream> {
        ExecStream::start(&self.docker, &self.container, command).await
    }

    /// Forgets pooled connections, for use after the guest or container was restarted.
    pub async fn disconnect(&self) {
        self.idle.lock().await.clear();
    }

    async fn connect(&self) -> Result<ExecStream> {
        match self.place {
            Place::Container => self.stream(&["/ikeproof/agent"]).await,
            Place::Guest => {
                let target = format!(
                    "TCP:{GUEST_ADDRESS}:7000,bind={CONTROL_ADDRESS},connect-timeout=2,nodelay"
                );
                self.stream(&["socat", "-t", "5", "STDIO", &target]).await
            }
        }
    }
}

impl std::fmt::Debug for Shell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shell")
            .field("container", &self.container)
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

/// The stdio of a program in a container, as one byte stream; its standard error is set aside.
pub struct ExecStream {
    output: Pin<
        Box<dyn Stream<Item = Result<LogOutput, testcontainers::bollard::errors::Error>> + Send>,
    >,
    input: Pin<Box<dyn AsyncWrite + Send>>,
    pending: Vec<u8>,
    taken: usize,
    complaint: String,
}

impl ExecStream {
    /// Starts `command` in `container` with stdin, stdout and stderr attached.
    pub async fn start(docker: &Docker, container: &str, command: &[&str]) -> Result<Self> {
        let config = ExecConfig {
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            cmd: Some(command.iter().map(ToString::to_string).collect()),
            ..Default::default()
        };
        let doing = || format!("exec {} in container {container}", command.join(" "));
        let exec = docker.create_exec(container, config).await.map_err(Error::docker(doing()))?;
        let options =
            StartExecOptions { detach: false, tty: false, output_capacity: Some(1 << 16) };
        match docker.start_exec(&exec.id, Some(options)).await.map_err(Error::docker(doing()))? {
            StartExecResults::Attached { output, input } => {
                Ok(Self { output, input, pending: Vec::new(), taken: 0, complaint: String::new() })
            }
            StartExecResults::Detached => Err(Error::Io {
                doing: doing(),
                source: io::Error::other("the engine detached an attached exec"),
            }),
        }
    }

    /// What the program wrote to its standard error so far (bounded).
    pub fn complaint(&self) -> &str {
        &self.complaint
    }
}

impl AsyncRead for ExecStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let this = &mut *self;
            if let Some(rest) = this.pending.get(this.taken..).filter(|rest| !rest.is_empty()) {
                let count = rest.len().min(buffer.remaining());
                buffer.put_slice(rest.get(..count).unwrap_or_default());
                this.taken += count;
                return Poll::Ready(Ok(()));
            }
            match this.output.as_mut().poll_next(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(Ok(())),
                Poll::Ready(Some(Err(error))) => {
                    return Poll::Ready(Err(io::Error::other(error.to_string())));
                }
                Poll::Ready(Some(Ok(LogOutput::StdErr { message }))) => {
                    if this.complaint.len() < 4096 {
                        this.complaint.push_str(&String::from_utf8_lossy(&message));
                    }
                }
                Poll::Ready(Some(Ok(part))) => {
                    this.pending.clear();
                    this.pending.extend_from_slice(&part.into_bytes());
                    this.taken = 0;
                }
            }
        }
    }
}

impl AsyncWrite for ExecStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.input.as_mut().poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.input.as_mut().poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.input.as_mut().poll_shutdown(context)
    }
}

/// Quotes a word for the shell.
pub fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

async fn converse(connection: &mut BufReader<ExecStream>, request: &[u8]) -> Result<Finished> {
    let talking = || Error::io("talking to the agent");
    connection.get_mut().write_all(request).await.map_err(talking())?;
    connection.get_mut().flush().await.map_err(talking())?;
    let mut line = String::new();
    connection.read_line(&mut line).await.map_err(talking())?;
    let Some((status, out, err)) = answer_line(&line) else {
        let complaint = connection.get_ref().complaint().trim().to_owned();
        return Err(Error::parse(
            "the agent's answer",
            format!("expected \"STATUS BYTES BYTES\"; its standard error: {complaint:?}"),
            &line,
        ));
    };
    let mut stdout = vec![0; out];
    connection.read_exact(&mut stdout).await.map_err(talking())?;
    let mut stderr = vec![0; err];
    connection.read_exact(&mut stderr).await.map_err(talking())?;
    Ok(Finished { status, stdout, stderr })
}

fn answer_line(line: &str) -> Option<(i32, usize, usize)> {
    let mut words = line.split_whitespace();
    let status = words.next()?.parse().ok()?;
    let out = words.next()?.parse().ok().filter(|count| *count <= MOST_OUTPUT)?;
    let err = words.next()?.parse().ok().filter(|count| *count <= MOST_OUTPUT)?;
    words.next().is_none().then_some((status, out, err))
}

fn shorten(script: &str) -> String {
    script.chars().take(200).collect()
}

/// How long the agent may take to read or write a file.
const FILE: Duration = Duration::from_secs(30);
/// More output than this from one command is a mistake.
const MOST_OUTPUT: usize = 64 << 20;

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("0 12 3\n", Some((0, 12, 3)))]
    #[case("124 0 0 \n", Some((124, 0, 0)))]
    #[case("", None)]
    #[case("0 12\n", None)]
    #[case("0 -1 2\n", None)]
    #[case("0 99999999999 2\n", None)]
    fn answers_are_read_strictly(
        #[case] line: &str,
        #[case] expected: Option<(i32, usize, usize)>,
    ) {
        assert_eq!(answer_line(line), expected);
    }

    #[test]
    fn quoting_survives_quotes() {
        assert_eq!(quote("a'b c"), r"'a'\''b c'");
    }
}
