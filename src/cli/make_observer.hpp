#pragma once

#include <memory>

#include "pgeist/report/observer.hpp"
#include "pgeist/report/terminal/human_observer.hpp"

namespace pgeist::report {

enum class output_format { human, json };
enum class progress_mode { automatic, tty, plain, off };

/// What the options of the output group say, and what standard output is.
struct output_choice {
    output_format format = output_format::human;
    progress_mode progress = progress_mode::automatic;
    verbosity how_much;
    terminal screen;
};

/// The observer for these options. The sinks must outlive it.
[[nodiscard]] std::unique_ptr<observer> make_observer(const output_choice& choice, sink& out, sink& err,
                                                      time_source time = {});

}  // namespace pgeist::report
