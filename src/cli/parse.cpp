#include <algorithm>
#include <iterator>

#include <fmt/format.h>

#include "cli/generate.hpp"
#include "cli/help.hpp"
#include "cli/invocation.hpp"
#include "cli/parse_change.hpp"
#include "cli/parse_in_place.hpp"
#include "cli/parse_option.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/core/units.hpp"
#include "pgeist/report/hooks/hook_runner.hpp"
#include "pgeist/settings/options.hpp"

namespace pgeist::cli {

namespace {

std::int64_t read_job(const std::string& word) {
    const bool digits = !word.empty() && word.find_first_not_of("0123456789") == std::string::npos;
    if (!digits || word.size() > 18 || std::stoll(word) == 0) {
        throw usage_error(fmt::format("\"{}\" is not a job", word), "jobs are numbers; `pgeist status` lists them");
    }
    return std::stoll(word);
}

double parse_percent(const std::string& text) {
    const std::string bare = text.ends_with('%') ? text.substr(0, text.size() - 1) : text;
    char* end = nullptr;
    const double value = std::strtod(bare.c_str(), &end);
    if (bare.empty() || *end != '\0' || !(value >= 0 && value <= 100)) {
        throw usage_error(fmt::format("\"{}\" is no percentage", text), "give a number from 0 to 100");
    }
    return value;
}

void read_connection(const given& options, const environment& lookup, pg::connect_options& into) {
    // In psql's order: what stands in a connection string given as -d wins.
    const std::pair<const char*, const char*> names[] = {
        {"host", "host"}, {"port", "port"}, {"username", "user"}, {"dbname", "dbname"}};
    for (const auto& [option, keyword] : names) {
        if (const auto value = options.value(option)) {
            into.set(keyword, *value);
        }
    }
    // libpq does not apply it to connections that are made without blocking.
    if (const auto seconds = lookup("PGCONNECT_TIMEOUT"); seconds && seconds->size() < 7) {
        const long timeout = std::strtol(seconds->c_str(), nullptr, 10);
        if (timeout > 0) {
            into.connect_timeout(std::chrono::seconds(timeout));
        }
    }
}

/// lint asks a server only where it is told of one; libpq's own variables alone do not lead it to any.
bool names_server(const given& options) {
    const auto& all = option_catalog();
    return std::any_of(all.begin(), all.end(), [&](const option_info& each) {
        return each.place == group::connection && options.find(each.name) != nullptr;
    });
}

/// Options that replace those a job was started with.
commands::named_values read_changes(const command_info& info, const given& options) {
    run::settings trial;
    commands::named_values values;
    for (const run::option& option : run::options()) {
        const bool changes = info.takes(*find_option(option.name));
        const given_option* found = changes ? options.find(option.name) : nullptr;
        if (found == nullptr) {
            continue;
        }
        for (const std::string& value : found->values) {
            about(found->origin, [&] { option.apply(trial, value); });
            values.emplace_back(option.name, value);
        }
    }
    return values;
}

void read_output(const given& options, invocation& into) {
    const std::string format = options.value("output").value_or("human");
    if (format != "human" && format != "json") {
        throw usage_error(fmt::format("{}: \"{}\" is not known", options.find("output")->origin, format),
                          "use human or json");
    }
    into.format = format == "json" ? report::output_format::json : report::output_format::human;

    using mode = report::progress_mode;
    const std::pair<std::string_view, mode> modes[] = {
        {"auto", mode::automatic}, {"tty", mode::tty}, {"plain", mode::plain}, {"off", mode::off}};
    const std::string progress = options.value("progress").value_or("auto");
    const auto found =
        std::find_if(std::begin(modes), std::end(modes), [&](const auto& each) { return each.first == progress; });
    if (found == std::end(modes)) {
        throw usage_error(fmt::format("{}: \"{}\" is not known", options.find("progress")->origin, progress),
                          "use auto, tty, plain or off");
    }
    into.progress = found->second;
    into.how_much.quiet = options.is_on("quiet");
    into.how_much.verbose = options.is_on("verbose");
}

void read_files(const given& options, invocation& into) {
    into.beside.report = writable(options, "report");
    into.beside.metrics = writable(options, "metrics");
    into.beside.log = writable(options, "log-file");
    into.beside.hooks = options.value("hook-dir").value_or("");
    if (!into.beside.hooks.empty()) {
        const std::string problem = report::problem_with_hooks(into.beside.hooks);
        if (!problem.empty()) {
            throw usage_error(fmt::format("{}: {}", options.find("hook-dir")->origin, problem));
        }
    }
    const std::string format = options.value("log-format").value_or("text");
    if (format != "text" && format != "json") {
        throw usage_error(fmt::format("{}: \"{}\" is not known", options.find("log-format")->origin, format),
                          "use text or json");
    }
    into.beside.log_format = format == "json" ? report::output_format::json : report::output_format::human;
}

/// NAME=VALUE… of `pgeist set`: the names and values are tried here, where a mistake can still be told.
commands::named_values read_values(const std::vector<std::string>& words) {
    commands::named_values values;
    run::settings trial;
    for (const std::string& word : words) {
        const auto equals = word.find('=');
        if (equals == std::string::npos || equals == 0) {
            throw usage_error(fmt::format("\"{}\" sets nothing", word), "write NAME=VALUE, for example workers=4");
        }
        std::string name = word.substr(0, equals);
        std::string value = word.substr(equals + 1);
        about(name, [&] { run::apply_steering(trial, name, value); });
        values.emplace_back(std::move(name), std::move(value));
    }
    if (values.empty()) {
        throw usage_error("there is nothing to set", "write NAME=VALUE, for example workers=4");
    }
    return values;
}

void read_thresholds(const given& options, invocation& into) {
    if (const auto percent = options.value("min-bloat")) {
        about(options.find("min-bloat")->origin, [&] { into.thresholds.percent = parse_percent(*percent); });
    }
    if (const auto size = options.value("min-size")) {
        about(options.find("min-size")->origin, [&] { into.thresholds.bytes = parse_size(*size); });
    }
}

/// `repack-candidates --run N`: what is kept of the old tables is what nobody would be rid of, so it is dropped unless
/// that is asked for.
void read_round(const given& options, invocation& into) {
    const auto number = options.value("run");
    if (!number) {
        const given_option* window = options.find("window");
        if (window != nullptr && window->origin.starts_with("--")) {
            throw usage_error(window->origin + " needs --run", "give --run N, how many are to be rebuilt");
        }
        return;
    }
    const bool digits = !number->empty() && number->find_first_not_of("0123456789") == std::string::npos;
    if (!digits || number->size() > 6 || std::stoi(*number) == 0) {
        throw usage_error(fmt::format("{}: \"{}\" is no number of tables", options.find("run")->origin, *number),
                          "give how many are to be rebuilt at most, from 1 on");
    }
    read_settings(options, into.settings);
    into.settings.drop_old = !options.is_on("keep-old");
    into.round.emplace();
    into.round->tables = std::stoi(*number);
    into.round->window = into.settings.window;
    into.round->least = into.thresholds;
}

/// The words after the command: a job, and what `set` sets.
void read_words(const command_info& info, std::vector<std::string> words, const given& options, invocation& into) {
    into.all = options.is_on("all");
    if (info.job == job_argument::none || into.all) {
        if (!words.empty()) {
            throw usage_error(fmt::format("{} is too much", words.front()),
                              fmt::format("usage: pgeist {} CONNECTION {}", info.name, info.arguments));
        }
        return;
    }
    if (words.empty()) {
        if (info.job != job_argument::optional) {
            throw usage_error(fmt::format("{} needs a job", info.name),
                              info.job == job_argument::required_or_all
                                  ? "give its number, which `pgeist status` lists, or --all"
                                  : "give its number, which `pgeist status` lists");
        }
        return;
    }
    into.job = read_job(words.front());
    words.erase(words.begin());
    if (info.id == command::set) {
        into.values = read_values(words);
    } else if (!words.empty()) {
        throw usage_error(fmt::format("{} is too much", words.front()),
                          fmt::format("usage: pgeist {} CONNECTION {}", info.name, info.arguments));
    }
}

usage_error not_available(const std::string& what) {
    return usage_error(what + " is not available in this version", "pgeist " PGEIST_VERSION " does not have it yet");
}

/// The command line's options must be this command's own. (Those of the environment and of files are left aside.)
void check_taken(const command_info& info, const split_arguments& split) {
    for (const auto& [name, option] : split.options) {
        if (!info.takes(*find_option(name))) {
            throw usage_error(fmt::format("{} has no option {}", info.name, option.origin),
                              fmt::format("`pgeist {} --help` lists its options", info.name));
        }
    }
}

given gather(const command_info& info, split_arguments split, const environment& lookup) {
    given options;
    options.add(std::move(split.options));
    options.add(read_environment(lookup, info));
    if (const auto file = options.value("config")) {
        options.add(read_config(*file, info));
    }
    for (const option_info& option : option_catalog()) {
        if (option.available) {
            continue;
        }
        if (const given_option* found = options.find_meant(option.name)) {
            throw not_available(found->origin);
        }
    }
    return options;
}

const command_info& command_of(const std::vector<std::string>& words) {
    if (words.empty()) {
        throw usage_error("a command is missing", "`pgeist --help` lists the commands");
    }
    const command_info* info = find_command(words.front());
    if (info == nullptr) {
        std::vector<std::string> names;
        for (const command_info& each : command_catalog()) {
            names.emplace_back(each.name);
        }
        const std::string meant = nearest(words.front(), names);
        throw usage_error("unknown command " + words.front(), meant.empty() ? "`pgeist --help` lists the commands"
                                                                            : fmt::format("did you mean {}?", meant));
    }
    return *info;
}

/// What is told without a command, or with none of its options. @returns whether that is all that is asked for
bool is_told_at_once(const split_arguments& split, invocation& into) {
    if (split.options.contains("version")) {
        into.what = command::version;
        into.text = "pgeist " PGEIST_VERSION "\n";
        return true;
    }
    if (const auto what = split.options.find("print"); what != split.options.end()) {
        into.what = command::print;
        about(what->second.origin, [&] { into.text = generated(what->second.values.back()); });
        return true;
    }
    if (split.options.contains("help")) {
        into.text = split.words.empty() ? overview() : help_of(command_of(split.words));
        return true;
    }
    return false;
}

void read_lint_command(const given& options, const environment& lookup, const std::vector<std::string>& words,
                       invocation& into) {
    into.lint = read_lint(options, words);
    into.lint.connected = names_server(options);
    if (into.lint.connected && options.find("server") != nullptr) {
        throw usage_error(
            fmt::format("{}: the server that is asked says its version itself", options.find("server")->origin),
            "give a connection, or --server, and not both");
    }
    read_connection(options, lookup, into.connection);
    into.how_much.quiet = options.is_on("quiet");
    into.how_much.verbose = options.is_on("verbose");
    into.format = into.lint.format == lint_format::json ? report::output_format::json : into.format;
}

void read_chunked(const given& options, invocation& into) {
    read_settings(options, into.settings);
    fit_chunks_to_locks(options, into.settings);
    into.in_place = true;
}

/// What the command is to do, for those that change something.
void read_work(const command_info& info, const given& options, invocation& into) {
    const bool rows_alone = info.id == command::backfill || (info.id == command::plan && plans_in_place(options));
    if (rows_alone) {
        read_fill(options, into.fill);
        read_chunked(options, into);
    } else if (info.id == command::expand) {
        read_expansion(options, into.expand);
        read_chunked(options, into);
    } else if (info.id == command::rehearse) {
        read_rehearsal(options, into);
    } else if (info.id == command::run || info.id == command::plan) {
        read_run(options, into);
    } else if (info.id == command::contract) {
        into.contraction = read_contraction(options);
        into.values = read_changes(info, options);
        return;
    } else {
        return;
    }
    into.what = options.is_on("dry-run") ? command::plan : into.what;
}

void read_command(const command_info& info, const given& options, const environment& lookup,
                  std::vector<std::string> words, invocation& into) {
    read_output(options, into);
    read_files(options, into);
    read_connection(options, lookup, into.connection);
    read_words(info, std::move(words), options, into);
    into.watch = options.is_on("watch");
    read_thresholds(options, into);
    if (info.id == command::candidates) {
        read_round(options, into);
    }
    into.yes = options.is_on("yes");
    into.check = options.is_on("check");
    into.lose = options.values("lose");
    if (info.takes_steerable) {
        into.values = read_changes(info, options);
    }
    read_work(info, options, into);
}

}  // namespace

invocation parse(const std::vector<std::string>& arguments, const environment& lookup) {
    invocation made;
    split_arguments split = cli::split(arguments);
    if (is_told_at_once(split, made)) {
        return made;
    }
    const command_info& info = command_of(split.words);
    if (!info.available) {
        throw not_available(fmt::format("pgeist {}", info.name));
    }
    check_taken(info, split);
    std::vector<std::string> words(split.words.begin() + 1, split.words.end());
    const given options = gather(info, std::move(split), lookup);
    made.what = info.id;
    if (info.takes_files) {
        read_lint_command(options, lookup, words, made);
    } else {
        read_command(info, options, lookup, std::move(words), made);
    }
    return made;
}

bool wants_json(const std::vector<std::string>& arguments, const environment& lookup) {
    for (std::size_t at = 0; at < arguments.size(); ++at) {
        const bool next = arguments[at] == "--output" && at + 1 < arguments.size();
        if (arguments[at].starts_with("--output=") || next) {
            return (next ? arguments[at + 1] : arguments[at].substr(9)) == "json";
        }
    }
    return lookup(variable_of("output")) == "json";
}

}  // namespace pgeist::cli
