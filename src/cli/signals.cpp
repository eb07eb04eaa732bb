#include "cli/signals.hpp"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <system_error>
#include <utility>

#include <sys/eventfd.h>
#include <unistd.h>

#include "pgeist/core/exit_code.hpp"

namespace pgeist::cli {

namespace {

constexpr int watched[] = {SIGINT, SIGTERM, SIGHUP};

// What the handler may touch: lock-free atomics and write(2), nothing else.
std::atomic<int> signals_seen{0};
std::atomic<int> event{-1};
static_assert(std::atomic<int>::is_always_lock_free);

extern "C" void pgeist_on_signal(int number) {
    const int before = signals_seen.fetch_add(1);
    if (before > 0) {
        if (number != SIGHUP) {
            ::_exit(static_cast<int>(exit_code::cancelled));
        }
        return;
    }
    const int saved = errno;
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(event.load(), &one, sizeof one);
    errno = saved;
}

void handle(int number, void (*handler)(int)) {
    struct sigaction before {};
    ::sigaction(number, nullptr, &before);
    if (number == SIGHUP && before.sa_handler == SIG_IGN) {
        return;  // nohup
    }
    struct sigaction now {};
    now.sa_handler = handler;
    ::sigemptyset(&now.sa_mask);
    // No SA_RESTART: a question that waits for its answer must notice.
    ::sigaction(number, &now, nullptr);
}

int make_event() {
    const int fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0) {
        throw std::system_error(errno, std::generic_category(), "eventfd");
    }
    return fd;
}

}  // namespace

signal_watch::signal_watch(boost::asio::io_context& io, std::function<void()> stop)
    : wakeup_(io, make_event()), stop_(std::move(stop)) {
    signals_seen = 0;
    event = wakeup_.native_handle();
    for (const int number : watched) {
        handle(number, pgeist_on_signal);
    }
    handle(SIGPIPE, SIG_IGN);
    wait();
}

signal_watch::~signal_watch() {
    for (const int number : watched) {
        handle(number, SIG_DFL);
    }
    event = -1;
}

bool signal_watch::stopped() noexcept { return signals_seen.load() > 0; }

void signal_watch::wait() {
    wakeup_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                       [this](const boost::system::error_code& problem) {
                           if (!problem) {
                               stop_();
                           }
                       });
}

}  // namespace pgeist::cli
