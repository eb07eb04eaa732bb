#include "pgeist/report/hooks/hook_runner.hpp"

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
constexpr std::size_t most_waiting = 200;    // a slow hook must not gather the events of a whole night
constexpr std::size_t most_at_the_end = 20;  // more than a short run has: its hooks are too slow

/// A variable of more than 128 kB makes the kernel refuse to start the program at all (E2BIG).
constexpr std::size_t longest_value = 8192;

/// No more than `longest_value` of it, cut between characters.
std::string shortened(const std::string& value) {
    if (value.size() <= longest_value) {
        return value;
    }
    std::size_t end = longest_value;
    while (end > 0 && (static_cast<unsigned char>(value[end]) & 0xC0U) == 0x80U) {
        --end;
    }
    return value.substr(0, end) + " …";
}

/// What may hold a password of ours: a hook that needs one has its own, or a password file.
bool is_secret(const std::string& name) { return name == "PGPASSWORD" || name == "PGEIST_DBNAME"; }

/// The environment of a hook: ours without secrets, and its variables.
std::vector<std::string> environment_with(const hook_runner::variables& more) {
    std::vector<std::string> all;
    for (char** each = environ; *each != nullptr; ++each) {
        const std::string entry = *each;
        const std::string name = entry.substr(0, entry.find('='));
        if (more.find(name) == more.end() && !is_secret(name)) {
            all.push_back(entry);
        }
    }
    for (const auto& [name, value] : more) {
        all.push_back(name + "=" + shortened(value));
    }
    return all;
}

/// What is news of the past when the run has ended.
bool is_passing(const std::string& name) {
    return name == "on-phase" || name == "on-throttle" || name == "on-lock-wait";
}

/// The last hook, for which an ended run waits.
bool is_final(const std::string& name) { return name == "on-failure" || name == "on-done"; }

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
                       const std::function<std::string()>& stopped) {
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
        if (const std::string why = stopped(); !why.empty()) {
            ::kill(-pid, SIGKILL);
            ::waitpid(pid, &status, 0);
            return "was killed because " + why;
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
    static const std::vector<std::string> names{"on-start",          "on-phase",       "on-throttle", "on-lock-wait",
                                                "on-verified",       "on-before-swap", "on-swapped",  "on-reverted",
                                                "on-not-revertible", "on-failure",     "on-done"};
    return names;
}

namespace {

/// Whoever may write to a hook has programs run with our rights.
std::string problem_with_rights(const std::filesystem::path& what) {
    std::error_code problem;
    const auto rights = std::filesystem::status(what, problem).permissions();
    const bool open = !problem && (rights & std::filesystem::perms::others_write) != std::filesystem::perms::none;
    return open ? fmt::format("{0} can be written by everybody; take that away with: chmod o-w {0}", what.string())
                : "";
}

}  // namespace

std::string problem_with_hooks(const std::string& folder) {
    std::error_code problem;
    if (!std::filesystem::is_directory(folder, problem)) {
        return fmt::format("{} is not a folder", folder);
    }
    if (std::string open = problem_with_rights(folder); !open.empty()) {
        return open;
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
        if (std::string open = problem_with_rights(entry.path()); !open.empty()) {
            return open;
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
        if (!ending_) {
            if (tasks_.size() > most_at_the_end) {
                std::erase_if(tasks_, [](const task& each) { return is_passing(each.name); });
            }
            rest_until_ = std::chrono::steady_clock::now() + longest_ / 2;
        }
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

bool hook_runner::late(const task& which) {
    const std::lock_guard guard(mutex_);
    return ending_ && !is_final(which.name) && std::chrono::steady_clock::now() >= rest_until_;
}

std::string hook_runner::run_task(const task& which) {
    constexpr const char* too_late = "the run has ended and others took too long";
    const auto stopped = [&]() -> std::string {
        if (stop_ == which.done.get()) {
            return "the run has ended";
        }
        return late(which) ? too_late : "";
    };
    if (late(which)) {
        return std::string("is left out: ") + too_late;
    }
    return run_to_end(folder_ + "/" + which.name, which.with, longest_, stopped);
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
        const std::string problem = run_task(next);
        if (!problem.empty()) {
            const std::lock_guard guard(mutex_);
            problems_.push_back(fmt::format("hook {} {}", next.name, problem));
        }
        const std::lock_guard guard(next.done->mutex);
        next.done->problem = problem;
    }
}

}  // namespace pgeist::report
