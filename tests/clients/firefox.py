# firefox.py URL   what a headless Firefox shows of a page, asked of it by its own remote protocol (Marionette)
import json, os, socket, subprocess, sys, time

profile = os.path.join(os.environ["HOME"], "profile")
os.mkdir(profile)
browser = subprocess.Popen(["firefox-esr", "--headless", "--marionette", "--no-remote", "--profile", profile],
                           stdout=sys.stderr, stderr=sys.stderr)
try:
    for _ in range(400):
        try:
            s = socket.create_connection(("127.0.0.1", 2828))
            break
        except OSError:
            time.sleep(0.1)

    def receive():
        size = b""
        while (c := s.recv(1)) != b":":
            size += c
        text = b""
        while len(text) < int(size):
            text += s.recv(65536)
        return json.loads(text)

    def ask(number, command, **arguments):
        text = json.dumps([0, number, command, arguments]).encode()
        s.sendall(b"%d:%s" % (len(text), text))
        answer = receive()
        if answer[2]:
            sys.exit(answer[2]["message"])
        return answer[3]

    receive()
    ask(1, "WebDriver:NewSession")
    ask(2, "WebDriver:Navigate", url=sys.argv[1])
    print(ask(3, "WebDriver:GetPageSource")["value"])
finally:
    browser.kill()
    browser.wait()
