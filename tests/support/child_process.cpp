#include "support/child_process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <system_error>

#include "support/wait_for.hpp"

namespace pgeist::test {
namespace {

struct pipe_ends {
    int read = -1;
    int write = -1;
};

pipe_ends make_pipe() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
        throw std::system_error(errno, std::generic_category(), "pipe");
    }
    return {ends[0], ends[1]};
}

std::vector<std::string> child_environment(const std::map<std::string, std::string>& extra) {
    std::vector<std::string> variables;
    for (char** variable = environ; *variable != nullptr; ++variable) {
        const std::string text = *variable;
        const std::string name = text.substr(0, text.find('='));
        // PGHOST and the like, and PGEIST_…, which the program reads as options, would change what is tested.
        if (!name.starts_with("PG") && !extra.contains(name)) {
            variables.push_back(text);
        }
    }
    for (const auto& [name, value] : extra) {
        variables.push_back(name);
        variables.back().append("=").append(value);
    }
    return variables;
}

std::vector<char*> as_pointers(std::vector<std::string>& texts) {
    std::vector<char*> pointers;
    pointers.reserve(texts.size() + 1);
    for (std::string& text : texts) {
        pointers.push_back(text.data());
    }
    pointers.push_back(nullptr);
    return pointers;
}

// Between fork and exec: only what is safe in the child of a process with threads.
[[noreturn]] void become(const char* program, char* const* arguments, char* const* environment, const char* directory,
                         int out, int err, int report) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int null = ::open("/dev/null", O_RDONLY);
    if (null >= 0 && ::dup2(null, STDIN_FILENO) >= 0 && ::dup2(out, STDOUT_FILENO) >= 0 &&
        ::dup2(err, STDERR_FILENO) >= 0 && (directory == nullptr || ::chdir(directory) == 0)) {
        ::execve(program, arguments, environment);
    }
    const int error = errno;
    [[maybe_unused]] const ssize_t written = ::write(report, &error, sizeof error);
    ::_exit(127);
}

}  // namespace

child_process::child_process(const launch& what) {
    std::vector<std::string> arguments{what.program.string()};
    arguments.insert(arguments.end(), what.arguments.begin(), what.arguments.end());
    std::vector<std::string> environment = child_environment(what.environment);
    const std::vector<char*> argument_pointers = as_pointers(arguments);
    const std::vector<char*> environment_pointers = as_pointers(environment);
    const std::string directory = what.directory ? what.directory->string() : std::string{};

    const pipe_ends out = make_pipe();
    const pipe_ends err = make_pipe();
    const pipe_ends report = make_pipe();  // closed by a successful exec
    pid_ = ::fork();
    if (pid_ == 0) {
        become(arguments[0].c_str(), argument_pointers.data(), environment_pointers.data(),
               what.directory ? directory.c_str() : nullptr, out.write, err.write, report.write);
    }
    ::close(out.write);
    ::close(err.write);
    ::close(report.write);
    int error = 0;
    const ssize_t reported = ::read(report.read, &error, sizeof error);
    ::close(report.read);
    if (pid_ < 0 || reported > 0) {
        ::close(out.read);
        ::close(err.read);
        if (pid_ > 0) {
            ::waitpid(pid_, nullptr, 0);
        }
        throw std::system_error(pid_ < 0 ? errno : error, std::generic_category(), "cannot run " + arguments[0]);
    }
    pidfd_ = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));
    reader_ = std::jthread([this, out, err] { read_output(out.read, err.read); });
}

child_process::~child_process() {
    if (!status_) {
        ::kill(pid_, SIGKILL);
        reap(0);
    }
    ::close(pidfd_);
}

void child_process::signal(int number) {
    if (!status_) {
        ::kill(pid_, number);
    }
}

bool child_process::reap(int options) {
    int raw = 0;
    if (!status_ && ::waitpid(pid_, &raw, options) == pid_) {
        exit_status ended;
        if (WIFEXITED(raw)) {
            ended.code = WEXITSTATUS(raw);
        } else {
            ended.signal = WTERMSIG(raw);
        }
        status_ = ended;
    }
    return status_.has_value();
}

bool child_process::running() { return !reap(WNOHANG); }

exit_status child_process::wait(std::chrono::milliseconds deadline) {
    const auto end = std::chrono::steady_clock::now() + deadline;
    while (!reap(WNOHANG)) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
        if (left.count() <= 0) {
            throw wait_failed("the process did not end in " + std::to_string(deadline.count()) +
                              " ms; stdout so far:\n" + out() + "\nstderr:\n" + err());
        }
        pollfd watched{pidfd_, POLLIN, 0};
        ::poll(&watched, 1, static_cast<int>(left.count()));
    }
    if (reader_.joinable()) {
        reader_.join();
    }
    return *status_;
}

std::string child_process::out() const {
    const std::lock_guard lock(mutex_);
    return out_;
}

std::string child_process::err() const {
    const std::lock_guard lock(mutex_);
    return err_;
}

bool child_process::wait_for_out(const std::function<bool(const std::string&)>& wanted,
                                 std::chrono::milliseconds deadline) {
    std::unique_lock lock(mutex_);
    bool seen = false;
    changed_.wait_for(lock, deadline, [&] {
        seen = wanted(out_);
        return seen || output_ended_;
    });
    return seen;
}

void child_process::read_output(int out, int err) {
    std::array<pollfd, 2> watched{pollfd{out, POLLIN, 0}, pollfd{err, POLLIN, 0}};
    std::array<char, 65536> buffer{};
    while (watched[0].fd >= 0 || watched[1].fd >= 0) {
        if (::poll(watched.data(), watched.size(), -1) < 0) {
            continue;
        }
        for (std::size_t which = 0; which < watched.size(); ++which) {
            if (watched[which].fd < 0 || watched[which].revents == 0) {
                continue;
            }
            const ssize_t count = ::read(watched[which].fd, buffer.data(), buffer.size());
            if (count <= 0) {
                ::close(watched[which].fd);
                watched[which].fd = -1;  // poll() leaves negative descriptors out
                continue;
            }
            const std::lock_guard lock(mutex_);
            (which == 0 ? out_ : err_).append(buffer.data(), static_cast<std::size_t>(count));
            changed_.notify_all();
        }
    }
    const std::lock_guard lock(mutex_);
    output_ended_ = true;
    changed_.notify_all();
}

}  // namespace pgeist::test
