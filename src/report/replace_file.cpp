#include "pgeist/report/replace_file.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <random>

#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>

namespace pgeist::report {

namespace {

std::string problem(const char* what, const std::string& path) {
    return fmt::format("cannot {} {}: {}", what, path, std::strerror(errno));
}

bool write_all(int fd, std::string_view content) {
    while (!content.empty()) {
        const ssize_t written = ::write(fd, content.data(), content.size());
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return false;
        }
        content.remove_prefix(static_cast<std::size_t>(written));
    }
    return true;
}

/// Creates a file that was not there, under a name that nobody can know: in a folder where others may write, a link put
/// there beforehand would lead the content, and the loss of what it leads to, elsewhere. @returns -1 when it cannot
int create_new(const std::string& path, mode_t mode, std::string& temporary) {
    constexpr int most_tries = 10;
    std::random_device random;
    int fd = -1;
    for (int tries = 0; fd < 0 && tries < most_tries; ++tries) {
        // The collector reads *.prom: the temporary name must not end so.
        temporary = fmt::format("{}.{:08x}{:08x}.tmp", path, random(), random());
        fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
        if (fd < 0 && errno != EEXIST) {
            break;
        }
    }
    return fd;
}

}  // namespace

std::string replace_file(const std::string& path, std::string_view content, readers who) {
    std::string temporary;
    const int fd = create_new(path, who == readers::everybody ? 0644 : 0640, temporary);
    if (fd < 0) {
        return problem("create", temporary);
    }
    const bool written = write_all(fd, content);
    std::string failure = written ? "" : problem("write", temporary);
    if (::close(fd) != 0 && failure.empty()) {
        failure = problem("write", temporary);
    }
    if (failure.empty() && std::rename(temporary.c_str(), path.c_str()) != 0) {
        failure = problem("replace", path);
    }
    if (!failure.empty()) {
        ::unlink(temporary.c_str());
    }
    return failure;
}

}  // namespace pgeist::report
