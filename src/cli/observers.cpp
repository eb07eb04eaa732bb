#include "cli/observers.hpp"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>

#include "cli/make_observer.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/report/fan_out.hpp"
#include "pgeist/report/hooks/hook_observer.hpp"
#include "pgeist/report/html/report_observer.hpp"
#include "pgeist/report/json/json_observer.hpp"
#include "pgeist/report/metrics/metrics_observer.hpp"
#include "pgeist/report/terminal/human_observer.hpp"
#include "pgeist/report/terminal/log_observer.hpp"

namespace pgeist::cli {

namespace {

/// The observers of a command with the files that they write to.
class observers : public report::fan_out {
public:
    observers() = default;
    ~observers() override {
        log_.reset();
        if (log_fd_ >= 0) {
            ::close(log_fd_);
        }
    }

    report::sink& open_log(const std::string& path) {
        log_fd_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
        if (log_fd_ < 0) {
            throw usage_error(fmt::format("--log-file: {} cannot be opened: {}", path, std::strerror(errno)));
        }
        log_ = std::make_unique<report::fd_sink>(log_fd_);
        return *log_;
    }

private:
    int log_fd_ = -1;
    std::unique_ptr<report::fd_sink> log_;
};

std::unique_ptr<report::observer> on_screen(const invocation& asked, console& io, bool runs_a_job) {
    report::output_choice choice;
    choice.format = asked.format;
    choice.progress = asked.progress;
    choice.how_much = asked.how_much;
    choice.screen = io.screen;
    if (!runs_a_job && asked.format == report::output_format::human) {
        return std::make_unique<report::human_observer>(io.out, io.err, io.screen, asked.how_much,
                                                        report::time_source());
    }
    return report::make_observer(choice, io.out, io.err);
}

}  // namespace

std::unique_ptr<report::observer> make_observers(const invocation& asked, console& io, bool runs_a_job) {
    auto all = std::make_unique<observers>();
    auto screen = on_screen(asked, io, runs_a_job);
    report::observer* people = screen.get();
    const auto complain = [people](const std::string& text) { people->message(report::level::warning, text); };
    const report::time_source time;
    const auto& files = asked.beside;
    // Hooks first: what they complain of at the end must come before the last words on the screen.
    if (!files.hooks.empty()) {
        all->add(std::make_unique<report::hook_observer>(files.hooks, time, complain));
    }
    if (!files.report.empty()) {
        const std::string change =
            asked.what == command::run || asked.what == command::rehearse ? asked.change.describe() : std::string();
        all->add(std::make_unique<report::report_observer>(files.report, change, time, complain));
    }
    if (!files.metrics.empty()) {
        all->add(std::make_unique<report::metrics_observer>(files.metrics, time, complain));
    }
    if (!files.log.empty()) {
        report::sink& log = all->open_log(files.log);
        if (files.log_format == report::output_format::json) {
            all->add(std::make_unique<report::json_observer>(log, time));
        } else {
            all->add(std::make_unique<report::log_observer>(log, time));
        }
    }
    all->add(std::move(screen));
    return all;
}

}  // namespace pgeist::cli
