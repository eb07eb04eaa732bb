#include "cli/status_command.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include "pgeist/commands/commands.hpp"
#include "pgeist/pg/parallel.hpp"
#include "pgeist/report/json/status_json.hpp"
#include "pgeist/report/terminal/status_view.hpp"

namespace pgeist::cli {

namespace {

constexpr std::chrono::milliseconds watch_interval{1000};

std::string as_json(const std::vector<report::job_status>& jobs) {
    std::string text;
    for (const report::job_status& each : jobs) {
        text += report::status_json(each) + "\n";
    }
    return text;
}

std::string as_text(const std::vector<report::job_status>& jobs, const invocation& asked,
                    const report::terminal& screen) {
    const bool in_detail = asked.job.has_value() && jobs.size() == 1;
    return in_detail ? report::status_detail(jobs.front(), screen) : report::status_table(jobs, screen);
}

/// Puts `text` in the place of what was written last, of which there were `lines`. Lines are cut at `columns`: one that
/// wraps would be two, and the next text would land below its place. Colours take no column.
std::string in_place(const std::string& text, std::ptrdiff_t lines, int columns) {
    std::string out = lines > 0 ? "\x1b[" + std::to_string(lines) + "A\r" : "";
    int column = 0;
    bool in_escape = false;
    for (const char letter : text) {
        const bool continues = (static_cast<unsigned char>(letter) & 0xC0) == 0x80;  // a byte within a character
        in_escape = in_escape || letter == '\x1b';
        if (letter == '\n') {
            out += "\x1b[K\n";
            column = 0;
        } else {
            column += in_escape || continues ? 0 : 1;
            out += in_escape || column <= columns ? std::string(1, letter) : std::string();
        }
        in_escape = in_escape && letter != 'm';
    }
    return out + "\x1b[J";
}

/// As many lines of `text` as fit above the cursor's own: what scrolls out at the top cannot be written over.
std::string fitting(const std::string& text, int height) {
    std::size_t end = 0;
    for (int lines = 1; lines < height && end < text.size(); ++lines) {
        const auto at = text.find('\n', end);
        end = at == std::string::npos ? text.size() : at + 1;
    }
    return text.substr(0, end);
}

}  // namespace

awaitable<exit_code> show_status(const invocation& asked, console& io) {
    const bool json = asked.format == report::output_format::json;
    std::string before;
    while (true) {
        const auto jobs = co_await commands::list_jobs(asked.connection, asked.job);
        std::string text = json ? as_json(jobs) : as_text(jobs, asked, io.screen);
        const bool rewrite = asked.watch && !json && io.screen.is_tty;
        const bool at_rest = asked.job && std::all_of(jobs.begin(), jobs.end(), report::at_rest);
        if (rewrite) {
            if (!at_rest) {  // the last look is complete: nothing is written over it any more
                text = fitting(text, io.screen.height());
            }
            io.out.write(
                in_place(text, std::count(before.begin(), before.end(), '\n'), std::max(1, io.screen.width() - 1)),
                report::importance::droppable);
        } else if (text != before) {
            io.out.write(text);
        }
        before = text;
        if (!asked.watch || at_rest) {
            break;
        }
        co_await pg::sleep_for(watch_interval);
    }
    co_return exit_code::done;
}

}  // namespace pgeist::cli
