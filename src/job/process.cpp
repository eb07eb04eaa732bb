#include "pgeist/job/process.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <sys/types.h>
#include <unistd.h>

#include <fmt/format.h>

namespace pgeist::job {

namespace {

std::string first_line(const std::string& path) {
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    return line;
}

/// Where numbers of processes have a meaning: this boot of this host, and the namespace. Empty: not known.
std::string place() {
    const std::string boot = first_line("/proc/sys/kernel/random/boot_id");
    std::error_code problem;
    const std::string space = std::filesystem::read_symlink("/proc/self/ns/pid", problem).string();
    if (boot.empty() || problem) {
        return "";
    }
    return boot + " " + space;
}

/// What tells a process from a later one of the same number.
struct life {
    char state = 0;     ///< as in /proc: Z and X are dead; 0: not known
    std::string began;  ///< in clock ticks since the boot
};

life life_of(const std::string& pid) {
    life found;
    const std::string line = first_line("/proc/" + pid + "/stat");
    const std::size_t name_ends = line.rfind(')');  // the name before it may contain anything
    if (name_ends == std::string::npos) {
        return found;
    }
    std::istringstream rest(line.substr(name_ends + 1));
    std::array<std::string, 20> fields;  // from the third, the state, to the 22nd, the start
    for (std::string& each : fields) {
        rest >> each;
    }
    if (rest && !fields.front().empty()) {
        found.state = fields.front().front();
        found.began = fields.back();
    }
    return found;
}

}  // namespace

std::string this_process() {
    const std::string where = place();
    const std::string pid = std::to_string(::getpid());
    const life own = life_of(pid);
    if (where.empty() || own.began.empty()) {
        return "";
    }
    return fmt::format("{} {} {}", where, pid, own.began);
}

presence find_process(const std::string& described) {
    const std::string where = place();
    if (where.empty() || described.rfind(where + " ", 0) != 0) {
        return presence::unknown;
    }
    std::istringstream rest(described.substr(where.size()));
    std::string pid;
    std::string began;
    rest >> pid >> began;
    const long number = std::strtol(pid.c_str(), nullptr, 10);
    if (number <= 0 || began.empty()) {
        return presence::unknown;
    }
    if (::kill(static_cast<pid_t>(number), 0) != 0 && errno == ESRCH) {
        return presence::ended;
    }
    const life found = life_of(pid);
    if (found.began.empty()) {
        return presence::unknown;  // somebody else's, and hidden
    }
    const bool dead = found.began != began || found.state == 'Z' || found.state == 'X';
    return dead ? presence::ended : presence::running;
}

}  // namespace pgeist::job
