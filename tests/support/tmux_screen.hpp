#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace pgeist::test {

/// A terminal that nobody looks at: tmux keeps what a program has drawn, as a person would see it. Its server is the
/// test's own, and ended with it.
class tmux_screen {
public:
    /// Runs a program with its arguments in a terminal of this size. Throws std::runtime_error when there is no tmux.
    tmux_screen(int columns, int lines, const std::vector<std::string>& command,
                const std::map<std::string, std::string>& variables = {});
    ~tmux_screen();
    tmux_screen(const tmux_screen&) = delete;
    tmux_screen& operator=(const tmux_screen&) = delete;

    /// What is to be seen now, without the empty lines at the end.
    [[nodiscard]] std::vector<std::string> lines() const;

    /// Waits until what is to be seen is as wanted, and returns that. Throws wait_failed with the last screen.
    std::vector<std::string> wait_until(const std::string& what,
                                        const std::function<bool(const std::vector<std::string>&)>& wanted) const;

private:
    std::string call(std::vector<std::string> arguments,
                     const std::map<std::string, std::string>& variables = {}) const;

    std::string socket_;
};

/// How many lines begin with these words.
[[nodiscard]] long beginning_with(const std::vector<std::string>& lines, const std::string& words);

/// The columns that a text takes, of letters that take one each.
[[nodiscard]] long columns_of(const std::string& text);

}  // namespace pgeist::test
