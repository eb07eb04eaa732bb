#pragma once

#include <functional>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

namespace pgeist::cli {

/// SIGINT, SIGTERM and SIGHUP: the first calls `stop` on the io_context's thread, a second one ends the process at once
/// (exit code 6), even while that thread is busy. A SIGHUP never counts as the second: shells and terminals send it
/// twice. SIGPIPE is ignored. One object at a time.
class signal_watch {
public:
    signal_watch(boost::asio::io_context& io, std::function<void()> stop);
    /// Puts the handlers back to the default.
    ~signal_watch();
    signal_watch(const signal_watch&) = delete;
    signal_watch& operator=(const signal_watch&) = delete;

    /// Whether a signal has come.
    [[nodiscard]] static bool stopped() noexcept;

private:
    void wait();

    boost::asio::posix::stream_descriptor wakeup_;
    std::function<void()> stop_;
};

}  // namespace pgeist::cli
