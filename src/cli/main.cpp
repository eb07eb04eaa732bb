#include <algorithm>
#include <clocale>
#include <cstdlib>
#include <exception>
#include <optional>
#include <string>
#include <vector>

#include <unistd.h>

#include "cli/console.hpp"
#include "cli/execute.hpp"
#include "cli/failure.hpp"
#include "cli/help.hpp"
#include "cli/invocation.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/pg/secrets.hpp"
#include "pgeist/report/text.hpp"

namespace {

using namespace pgeist;

std::optional<std::string> environment_variable(const std::string& name) {
    const char* value = std::getenv(name.c_str());
    return value != nullptr ? std::optional<std::string>(value) : std::nullopt;
}

/// Tells what is wrong with the command line: to people always, to programs if they asked for JSON.
int refuse(const report::outcome& outcome, bool json, cli::console& io) {
    report::output_choice choice;
    if (json) {
        choice.format = report::output_format::json;
        report::make_observer(choice, io.out, io.err)->finished(outcome);
    }
    choice.format = report::output_format::human;
    choice.how_much.quiet = true;
    report::make_observer(choice, io.out, io.err)->finished(outcome);
    return static_cast<int>(outcome.code);
}

std::string shown(const std::string& text, const cli::console& io) {
    return io.screen.utf8 ? text : report::to_ascii(text);
}

int start(const std::vector<std::string>& arguments, cli::console& io) {
    if (arguments.empty()) {
        io.err.write(shown(cli::overview(), io));
        return static_cast<int>(exit_code::usage);
    }
    cli::invocation asked;
    try {
        asked = cli::parse(arguments, environment_variable);
    } catch (...) {
        return refuse(cli::outcome_of(std::current_exception()), cli::wants_json(arguments, environment_variable), io);
    }
    if (asked.what == cli::command::print) {
        io.out.write(asked.text);  // whatever the terminal: the file is for others
        return static_cast<int>(exit_code::done);
    }
    if (asked.what == cli::command::help || asked.what == cli::command::version) {
        io.out.write(shown(asked.text, io));
        return static_cast<int>(exit_code::done);
    }
    if (asked.what == cli::command::lint) {
        try {
            return cli::lint(asked, io);
        } catch (...) {
            return refuse(cli::outcome_of(std::current_exception()), asked.format == report::output_format::json, io);
        }
    }
    if (asked.format == report::output_format::human) {  // JSON is for programs, which take it as it is
        if (cli::leads_to_journal(STDOUT_FILENO, environment_variable)) {
            io.out.for_journal(false);
        }
        if (cli::leads_to_journal(STDERR_FILENO, environment_variable)) {
            io.err.for_journal(true);
        }
    }
    try {
        return static_cast<int>(cli::execute(asked, io));
    } catch (const usage_error&) {  // a file that cannot be opened: nothing has begun
        return refuse(cli::outcome_of(std::current_exception()), asked.format == report::output_format::json, io);
    }
}

/// Overwrites passwords in the arguments themselves, which every user of the machine can read while we run.
void hide_passwords(int argc, char** argv) {
    for (int at = 1; at < argc; ++at) {
        const std::string given = argv[at];
        // `--dbname=URI`: what follows the first "=" of an option is its value.
        const std::size_t equals = given.starts_with("-") ? given.find('=') : std::string::npos;
        std::size_t begin = equals == std::string::npos ? 0 : equals + 1;
        if (given.starts_with("-d") && given.size() > 2) {
            begin = 2;
        }
        std::string shown = given.substr(0, begin) + pg::without_passwords(given.substr(begin));
        if (shown != given) {
            shown.resize(given.size(), ' ');
            std::copy(shown.begin(), shown.end(), argv[at]);
        }
    }
}

}  // namespace

int main(int argc, char** argv) {
    std::setlocale(LC_CTYPE, "");
    const std::vector<std::string> arguments(argv + (argc > 0 ? 1 : 0), argv + argc);
    hide_passwords(argc, argv);
    cli::console io{report::fd_sink(STDOUT_FILENO), report::fd_sink(STDERR_FILENO),
                    cli::probe_terminal(STDOUT_FILENO, environment_variable)};
    return start(arguments, io);
}
