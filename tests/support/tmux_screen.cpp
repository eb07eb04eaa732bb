#include "support/tmux_screen.hpp"

#include <unistd.h>

#include <algorithm>
#include <sstream>
#include <stdexcept>
#include <system_error>

#include "support/child_process.hpp"
#include "support/wait_for.hpp"

namespace pgeist::test {
namespace {

std::string quoted(const std::string& word) {
    std::string out = "'";
    for (const char letter : word) {
        out += letter == '\'' ? std::string("'\\''") : std::string(1, letter);
    }
    return out + "'";
}

std::string joined(const std::vector<std::string>& lines) {
    std::string text;
    for (const std::string& each : lines) {
        text += each + "\n";
    }
    return text;
}

}  // namespace

tmux_screen::tmux_screen(int columns, int lines, const std::vector<std::string>& command,
                         const std::map<std::string, std::string>& variables) {
    static int number = 0;
    socket_ = "pgeist-test-" + std::to_string(::getpid()) + "-" + std::to_string(++number);
    std::string line;
    for (const auto& [name, value] : variables) {
        line += name + "=" + quoted(value) + " ";
    }
    for (const std::string& word : command) {
        line += quoted(word) + " ";
    }
    // The terminal outlives the program: its last words are looked at, too.
    line += "; exec cat";
    call({"new-session", "-d", "-x", std::to_string(columns), "-y", std::to_string(lines), line},
         {{"LC_ALL", "C.UTF-8"}, {"TERM", "xterm"}});
}

tmux_screen::~tmux_screen() {
    try {
        call({"kill-server"});
    } catch (const std::exception&) {  // it has ended already
    }
}

std::string tmux_screen::call(std::vector<std::string> arguments,
                              const std::map<std::string, std::string>& variables) const {
    launch what;
    what.program = "/usr/bin/tmux";
    what.arguments = std::move(arguments);
    what.arguments.insert(what.arguments.begin(), {"-L", socket_, "-f", "/dev/null"});
    what.environment = variables;
    try {
        child_process tmux(what);
        const exit_status ended = tmux.wait();
        if (ended.code != 0) {
            throw std::runtime_error("tmux: " + tmux.err());
        }
        return tmux.out();
    } catch (const std::system_error& problem) {
        throw std::runtime_error(std::string(problem.what()) + "; scripts/setup.sh installs it");
    }
}

std::vector<std::string> tmux_screen::lines() const {
    std::istringstream text(call({"capture-pane", "-p"}));
    std::vector<std::string> all;
    for (std::string line; std::getline(text, line);) {
        all.push_back(line);
    }
    while (!all.empty() && all.back().empty()) {
        all.pop_back();
    }
    return all;
}

std::vector<std::string> tmux_screen::wait_until(
    const std::string& what, const std::function<bool(const std::vector<std::string>&)>& wanted) const {
    std::vector<std::string> last;
    try {
        wait_for(what, [&] {
            last = lines();
            return wanted(last);
        });
    } catch (const wait_failed& failure) {
        throw wait_failed(std::string(failure.what()) + "; the screen shows:\n" + joined(last));
    }
    return last;
}

long beginning_with(const std::vector<std::string>& lines, const std::string& words) {
    return std::count_if(lines.begin(), lines.end(), [&](const std::string& each) { return each.starts_with(words); });
}

long columns_of(const std::string& text) {
    return std::count_if(text.begin(), text.end(),
                         [](char byte) { return (static_cast<unsigned char>(byte) & 0xC0U) != 0x80U; });
}

}  // namespace pgeist::test
