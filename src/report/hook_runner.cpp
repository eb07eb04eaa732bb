#include "pgeist/report/hook_runner.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <functional>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include "pgeist/core/units.hpp"

extern char** environ;

namespace pgeist::report {

namespace {

constexpr std::chrono::milliseconds look_again{20};
constexpr std::size_t most_waiting = 200;  // a slow hook must not gather the events of a whole night

/// The environment of a hook: ours and its variables.
std::vector<std::string> environment_with(const hook_runner::variables& more) {
    std::vector<std::string> all;
    for (char** each = environ; *each != nullptr; ++each) {
        const std::string entry = *each;
        if (more.find(entry.substr(0, entry.find('='))) == more.end()) {
            all.push_back(entry);
        }
    }
    for (const auto& [name, value] : more) {
        all.push_back(name + "=" + value);
    }
    return all;
}

/// Starts a program in a process group of its own, so that Ctrl-C at the terminal does not end it. Its output goes to
/// standard error: standard output may carry JSON.
int spawn(const std::string& path, const hook_runner::variables& with, pid_t& pid) {
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, STDERR_FILENO, STDOUT_FILENO);
    posix_spawnattr_t how;
    posix_spawnattr_init(&how);
    posix_spawnattr_setflags(&how, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setpgroup(&how, 0);
    sigset_t usual;
    sigemptyset(&usual);
    sigaddset(&usual, SIGPIPE);
    posix_spawnattr_setsigdefault(&how, &usual);

    std::vector<std::string> variables = environment_with(with);
    std::vector<char*> pointers;
    for (std::string& each : variables) {
        pointers.push_back(each.data());
    }
    pointers.push_back(nullptr);
    std::string name = path;
    char* arguments[] = {name.data(), nullptr};
    const int problem = ::posix_spawn(&pid, path.c_str(), &files, &how, arguments, pointers.data());
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&how);
    return problem;
}

/// Runs a program to its end. @returns what went wrong; empty: nothing
std::string run_to_end(const std::string& path, const hook_runner::variables& with, std::chrono::milliseconds longest,
                       const std::function<bool()>& stopped) {
    pid_t pid = -1;
    const int problem = spawn(path, with, pid);
    if (problem != 0) {
        return fmt::format("cannot be run: {}", std::strerror(problem));
    }
    const auto until = std::chrono::steady_clock::now() + longest;
    int status = 0;
    pid_t ended = 0;
    while ((ended = ::waitpid(pid, &status, WNOHANG)) == 0) {
        if (std::chrono::steady_clock::now() >= until) {
            ::kill(-pid, SIGKILL);
            ::waitpid(pid, &status, 0);
            return fmt::format("was killed because it took longer than {}", format_duration(longest));
        }
        if (stopped()) {
            ::kill(-pid, SIGKILL);
            ::waitpid(pid, &status, 0);
            return "was killed because the run has ended";
        }
        std::this_thread::sleep_for(look_again);
    }
    if (ended < 0) {
        return fmt::format("was lost: {}", std::strerror(errno));
    }
    if (WIFSIGNALED(status)) {
        return fmt::format("was ended by signal {}", WTERMSIG(status));
    }
    return WEXITSTATUS(status) == 0 ? "" : fmt::format("ended with exit code {}", WEXITSTATUS(status));
}

}  // namespace

const std::vector<std::string>& hook_names() {
    static const std::vector<std::string> names{"on-start",     "on-phase",    "on-throttle",
                                                "on-lock-wait", "on-verified", "on-before-swap",
                                                "on-swapped",   "on-failure",  "on-done"};
    return names;
}

std::string problem_with_hooks(const std::string& folder) {
    std::error_code problem;
    if (!std::filesystem::is_directory(folder, problem)) {
        return fmt::format("{} is not a folder", folder);
    }
    const auto& names = hook_names();
    for (const auto& entry : std::filesystem::directory_iterator(folder, problem)) {
        const std::string name = entry.path().filename().string();
        if (!name.starts_with("on-")) {
            continue;  // what hooks share
        }
        if (std::find(names.begin(), names.end(), name) == names.end()) {
            return fmt::format("{} has a hook {}, but there is no such event ({})", folder, name,
                               fmt::join(names, ", "));
        }
        if (::access(entry.path().c_str(), X_OK) != 0) {
            return fmt::format("{} cannot be run: {}", entry.path().string(), std::strerror(errno));
        }
    }
    return problem ? fmt::format("{} cannot be read: {}", folder, problem.message()) : "";
}

hook_runner::hook_runner(std::string folder, std::chrono::milliseconds longest)
    : folder_(std::move(folder)), longest_(longest), thread_([this] { work(); }) {}

hook_runner::~hook_runner() { finish(); }

std::shared_ptr<hook_runner::ticket> hook_runner::run(const std::string& name, variables with) {
    std::error_code problem;
    if (!std::filesystem::exists(folder_ + "/" + name, problem)) {
        return nullptr;
    }
    auto done = std::make_shared<ticket>();
    const std::lock_guard guard(mutex_);
    if (tasks_.size() >= most_waiting) {
        problems_.push_back(fmt::format("hook {} is left out: {} others are waiting to run", name, tasks_.size()));
        done->problem = "too many hooks are waiting to run";
        return done;
    }
    tasks_.push_back(task{name, std::move(with), done});
    changed_.notify_all();
    return done;
}

void hook_runner::finish() {
    {
        const std::lock_guard guard(mutex_);
        ending_ = true;
        changed_.notify_all();
    }
    if (thread_.joinable()) {
        thread_.join();
    }
}

std::vector<std::string> hook_runner::take_problems() {
    const std::lock_guard guard(mutex_);
    return std::exchange(problems_, {});
}

void hook_runner::work() {
    while (true) {
        task next;
        {
            std::unique_lock guard(mutex_);
            changed_.wait(guard, [this] { return ending_ || !tasks_.empty(); });
            if (tasks_.empty()) {
                return;
            }
            next = std::move(tasks_.front());
            tasks_.pop_front();
        }
        const auto stopped = [&] { return stop_ == next.done.get(); };
        const std::string problem = run_to_end(folder_ + "/" + next.name, next.with, longest_, stopped);
        if (!problem.empty()) {
            const std::lock_guard guard(mutex_);
            problems_.push_back(fmt::format("hook {} {}", next.name, problem));
        }
        const std::lock_guard guard(next.done->mutex);
        next.done->problem = problem;
    }
}

}  // namespace pgeist::report
