#include "cli/make_observer.hpp"

#include <utility>

#include "pgeist/report/json/json_observer.hpp"
#include "pgeist/report/terminal/plain_observer.hpp"
#include "pgeist/report/terminal/tty_observer.hpp"

namespace pgeist::report {

std::unique_ptr<observer> make_observer(const output_choice& choice, sink& out, sink& err, time_source time) {
    if (choice.format == output_format::json) {
        return std::make_unique<json_observer>(out, std::move(time));
    }
    if (choice.how_much.quiet) {
        return std::make_unique<human_observer>(out, err, choice.screen, choice.how_much, std::move(time));
    }
    const bool live =
        choice.progress == progress_mode::tty || (choice.progress == progress_mode::automatic && choice.screen.is_tty);
    if (live) {
        return std::make_unique<tty_observer>(out, err, choice.screen, choice.how_much, std::move(time));
    }
    const bool with_progress = choice.progress != progress_mode::off;
    return std::make_unique<plain_observer>(out, err, choice.screen, choice.how_much, std::move(time), with_progress);
}

}  // namespace pgeist::report
