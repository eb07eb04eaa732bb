#include "pgeist/report/replace_file.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>

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

}  // namespace

std::string replace_file(const std::string& path, std::string_view content) {
    // The collector reads *.prom: the temporary name must not end so.
    const std::string temporary = fmt::format("{}.{}.tmp", path, ::getpid());
    const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
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
