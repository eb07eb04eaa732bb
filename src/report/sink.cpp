#include "pgeist/report/sink.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>

#include <poll.h>
#include <unistd.h>

namespace pgeist::report {

namespace {

constexpr int not_at_all = 0;
constexpr int for_ever = -1;

}  // namespace

std::string journal_lines(std::string_view text, bool is_error_output) {
    std::string out;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
        const std::string_view line = text.substr(0, end);
        const char* priority = "<6>";
        if (is_error_output) {
            priority = line.starts_with("pgeist: warning") ? "<4>" : line.starts_with("hint: ") ? "<5>" : "<3>";
        }
        out += priority + std::string(line);
        text.remove_prefix(end);
    }
    return out;
}

fd_sink::~fd_sink() { finish(); }

void fd_sink::write(std::string_view text, importance weight) {
    if (gone_) {
        return;
    }
    drain(not_at_all);
    if (weight == importance::droppable && !waiting_.empty()) {
        return;
    }
    waiting_ += journal_ == journal::no ? std::string(text) : journal_lines(text, journal_ == journal::errors);
    drain(not_at_all);
}

void fd_sink::finish() { drain(for_ever); }

void fd_sink::drain(int patience) {
    while (!waiting_.empty() && !gone_) {
        pollfd ready{fd_, POLLOUT, 0};
        const int answer = ::poll(&ready, 1, patience);
        if (answer == 0) {
            return;
        }
        if (answer < 0) {
            if (errno == EINTR) {
                continue;
            }
            gone_ = true;
            break;
        }
        // A pipe that is writable takes PIPE_BUF bytes without blocking; more might wait for the reader.
        const std::size_t part = std::min<std::size_t>(waiting_.size(), PIPE_BUF);
        const ssize_t written = ::write(fd_, waiting_.data(), part);
        if (written > 0) {
            waiting_.erase(0, static_cast<std::size_t>(written));
        } else if (written < 0 && errno == EAGAIN && patience == not_at_all) {
            return;
        } else if (written < 0 && errno != EINTR && errno != EAGAIN) {
            gone_ = true;
        }
    }
    if (gone_) {
        waiting_.clear();
    }
}

}  // namespace pgeist::report
