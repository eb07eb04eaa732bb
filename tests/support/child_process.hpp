#pragma once

#include <sys/types.h>

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace pgeist::test {

/// How a process ended: with an exit code or by a signal.
struct exit_status {
    std::optional<int> code;
    std::optional<int> signal;
};

/// What to start.
struct launch {
    std::filesystem::path program;
    std::vector<std::string> arguments;
    /// Set on top of the test's own environment, from which every PG… variable is taken out.
    std::map<std::string, std::string> environment;
    std::optional<std::filesystem::path> directory;
};

/// A process whose output is read all the time, so that it never blocks on a full pipe, and can be looked at while it
/// runs. Killed when destroyed, and by the kernel when the test process dies. Start it from the test's main thread.
class child_process {
public:
    /// Starts it. Throws std::system_error when the program cannot be run.
    explicit child_process(const launch& what);
    ~child_process();
    child_process(const child_process&) = delete;
    child_process& operator=(const child_process&) = delete;

    [[nodiscard]] pid_t pid() const noexcept { return pid_; }

    /// Sends a signal; does nothing when the process has been waited for.
    void signal(int number);

    /// True when the process has not ended.
    bool running();

    /// Waits for the end and for the last byte of output. Throws wait_failed, with the output so far, at the deadline.
    exit_status wait(std::chrono::milliseconds deadline = std::chrono::seconds(60));

    /// What it wrote up to now.
    [[nodiscard]] std::string out() const;
    [[nodiscard]] std::string err() const;

    /// Waits until `wanted` holds for standard output. False when it never can (the output ended) or at the deadline.
    bool wait_for_out(const std::function<bool(const std::string&)>& wanted, std::chrono::milliseconds deadline);

private:
    void read_output(int out, int err);
    bool reap(int options);

    pid_t pid_ = -1;
    int pidfd_ = -1;
    std::optional<exit_status> status_;
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::string out_;
    std::string err_;
    bool output_ended_ = false;
    std::jthread reader_;
};

}  // namespace pgeist::test
