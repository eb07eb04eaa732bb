#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <sstream>

#include <unistd.h>

#include <fmt/format.h>

#include "cli/generate.hpp"
#include "cli/help.hpp"
#include "cli/invocation.hpp"
#include "cli/parse_in_place.hpp"
#include "cli/sql_statements.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/core/units.hpp"
#include "pgeist/plan/row_order.hpp"
#include "pgeist/report/hooks/hook_runner.hpp"
#include "pgeist/settings/options.hpp"

namespace pgeist::cli {

namespace {

/// Calls `read`; a usage error says which option it is about.
template <class Read>
void about(const std::string& origin, Read&& read) {
    try {
        read();
    } catch (const usage_error& problem) {
        throw usage_error(fmt::format("{}: {}", origin, problem.what()), problem.hint());
    }
}

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

std::string read_file(const std::string& name) {
    std::ostringstream text;
    if (name == "-") {
        text << std::cin.rdbuf();
        return text.str();
    }
    std::ifstream stream(name);
    if (stream) {
        text << stream.rdbuf();
    }
    if (!stream || stream.bad()) {
        throw usage_error(fmt::format("file {} cannot be read", name));
    }
    return text.str();
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

void check_set(const std::string& text) {
    const auto equals = text.find('=');
    if (equals == std::string::npos || text.find_first_not_of(' ') == equals ||
        text.find_first_not_of(' ', equals + 1) == std::string::npos) {
        throw usage_error(fmt::format("\"{}\" sets nothing", text), "write COLUMN = EXPRESSION");
    }
}

plan::copy_order read_copy_order(const given& options) {
    const std::string text = options.value("copy-order").value_or("auto");
    if (text == "auto") {
        return plan::copy_order::automatic;
    }
    if (text == "key") {
        return plan::copy_order::key;
    }
    if (text == "heap") {
        return plan::copy_order::heap;
    }
    throw usage_error(fmt::format("{}: \"{}\" is not known", options.find("copy-order")->origin, text),
                      "use auto, key or heap");
}

void read_row_order(const given& options, plan::change_request& into) {
    const given_option* found = options.find("order-by");
    if (found == nullptr) {
        return;
    }
    if (!into.repack) {
        throw usage_error(found->origin + " needs --repack", "it puts the rows of a table that is rebuilt in order");
    }
    if (const given_option* other = options.find("copy-order")) {
        throw usage_error(fmt::format("{} and {} exclude each other", found->origin, other->origin));
    }
    into.order_by = options.value("order-by");
    about(found->origin, [&] { static_cast<void>(plan::parse_row_order(*into.order_by)); });
}

/// `--file` without `--table`: statements for any number of tables.
void read_migration(const given& options, invocation& into) {
    for (const char* name : {"set", "key", "order-by"}) {
        if (const given_option* found = options.find(name)) {
            throw usage_error(fmt::format("{} belongs to a --table, and a migration file has none", found->origin),
                              "write it into the file, or change that table by itself");
        }
    }
    const std::string file = *options.value("file");
    into.file.emplace();
    into.file->file = plan::read_migration_file(file, read_file(file));
    into.file->resume = options.is_on("resume");
    if (const auto other = options.value("undoes")) {
        into.file->undoes = plan::read_migration_file(*other, read_file(*other)).identity;
    }
}

void read_change(const given& options, plan::change_request& into) {
    for (const char* name : {"undoes", "resume"}) {
        if (const given_option* found = options.find(name)) {
            throw usage_error(fmt::format("{} is about a migration file, which has no --table", found->origin));
        }
    }
    const auto table = options.value("table");
    if (!table) {
        throw usage_error("--table is missing", "name the table: --table [SCHEMA.]NAME");
    }
    about(options.find("table")->origin, [&] { into.table = parse_qualified_name(*table); });
    into.alters = options.values("alter");
    if (const auto file = options.value("file")) {
        about(options.find("file")->origin, [&] { into.alters = split_statements(read_file(*file)); });
        if (into.alters.empty()) {
            throw usage_error(fmt::format("there is no statement in {}", *file));
        }
    }
    into.repack = options.is_on("repack");
    into.key_index = options.value("key");
    into.order = read_copy_order(options);
    read_row_order(options, into);
    for (const std::string& text : options.values("set")) {
        about(options.find("set")->origin, [&] { check_set(text); });
        into.sets.push_back(text);
    }
    const bool blank = std::any_of(into.alters.begin(), into.alters.end(), [](const std::string& each) {
        return each.find_first_not_of(" \t\n") == std::string::npos;
    });
    if (blank) {
        throw usage_error(options.find("alter")->origin + " is empty");
    }
    if (into.alters.empty() && !into.repack) {
        throw usage_error("there is nothing to change", "give --alter, --file or --repack");
    }
}

/// `--only-indexes` and `--index`: nothing of the table itself is changed. @returns whether that is asked for
bool read_reindex(const given& options, std::optional<reindex::request>& into) {
    const bool all = options.is_on("only-indexes");
    if (!all && !options.has("index")) {
        return false;
    }
    const std::string origin = options.find(all ? "only-indexes" : "index")->origin;
    if (all && options.has("index")) {
        throw usage_error(origin + " and --index exclude each other", "give one of them");
    }
    for (const char* each : {"alter", "file", "set", "key", "copy-order", "order-by"}) {
        if (options.has(each)) {
            throw usage_error(fmt::format("{} changes nothing of the table itself: {} does not go with it", origin,
                                          options.find(each)->origin),
                              "run the two one after the other");
        }
    }
    const auto table = options.value("table");
    if (!table) {
        throw usage_error(origin + " needs --table", "name the table: --table [SCHEMA.]NAME");
    }
    into.emplace();
    about(options.find("table")->origin, [&] { into->table = parse_qualified_name(*table); });
    into->indexes = options.values("index");
    for (const std::string& each : into->indexes) {
        about(origin, [&] { static_cast<void>(parse_qualified_name(each)); });
    }
    return true;
}

void read_settings(const given& options, run::settings& into) {
    for (const run::option& option : run::options()) {
        if (const given_option* found = options.find(option.name)) {
            for (const std::string& value : found->values) {
                about(found->origin, [&] { option.apply(into, value); });
            }
        }
    }
}

/// The server's own repack does nothing but that.
void require_server_repack(const given& options) {
    const std::string& origin = options.find("method")->origin;
    if (!options.is_on("repack") || options.find("table") == nullptr) {
        throw usage_error(origin + ": the server itself does nothing but --repack of a --table");
    }
    for (const char* name : {"alter", "file", "set", "key", "copy-order", "order-by", "only-indexes", "index",
                             "postpone-swap", "postpone-file", "swap-window", "keep-old", "revertible"}) {
        const given_option* found = options.find(name);
        if (found != nullptr && (!find_option(name)->is_switch() || options.is_on(name))) {
            throw usage_error(fmt::format("{}: the server's REPACK has no such thing", found->origin),
                              "leave it out, or repack by a copy: --method copy");
        }
    }
}

/// What only a copy can do makes the change one.
void let_options_choose(const given& options, run::settings& into) {
    const bool in_place = options.is_on("only-indexes") || options.find("index") != nullptr;
    if (into.method == run::method_choice::server) {
        require_server_repack(options);
        return;
    }
    if (into.method == run::method_choice::copy || in_place) {
        return;
    }
    for (const char* name : {"postpone-swap", "postpone-file", "swap-window", "keep-old", "key", "copy-order",
                             "revertible", "repack", "set"}) {
        const given_option* found = options.find(name);
        const option_info* known = find_option(name);
        if (found == nullptr || known == nullptr || (known->is_switch() && !options.is_on(name))) {
            continue;
        }
        if (into.method == run::method_choice::native) {
            throw usage_error(fmt::format("{}: this needs a copy, and --method native allows none", found->origin),
                              "leave one of the two out");
        }
        into.method = run::method_choice::copy;
    }
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

/// A file that will be replaced, or made, only when there is something to tell: its folder must take it.
std::string writable(const given& options, std::string_view name) {
    const std::string path = options.value(name).value_or("");
    if (path.empty()) {
        return path;
    }
    const std::filesystem::path folder = std::filesystem::absolute(path).parent_path();
    if (std::filesystem::is_directory(path) || ::access(folder.c_str(), W_OK | X_OK) != 0) {
        throw usage_error(fmt::format("{}: {} cannot be written", options.find(name)->origin, path),
                          "name a file in a folder that is there and can be written to");
    }
    return path;
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

/// What `pgeist rehearse` takes besides a change.
void read_rehearsal(const given& options, invocation& into) {
    using mode = run::rehearsed_locks;
    const std::pair<std::string_view, mode> modes[] = {
        {"none", mode::none}, {"sample", mode::sample}, {"take", mode::take}};
    const std::string text = options.value("locks").value_or("sample");
    const auto found =
        std::find_if(std::begin(modes), std::end(modes), [&](const auto& each) { return each.first == text; });
    if (found == std::end(modes)) {
        throw usage_error(fmt::format("{}: \"{}\" is not known", options.find("locks")->origin, text),
                          "use none, sample or take");
    }
    into.settings.locks = found->second;
    if (into.settings.locks == mode::take && into.settings.method == run::method_choice::automatic) {
        into.settings.method = run::method_choice::copy;  // what takes no copy would take its lock for good
    }
    for (const std::string& each : options.values("fail-if")) {
        about(options.find("fail-if")->origin,
              [&] { into.rehearsal.limits.push_back(commands::parse_rehearsal_limit(each)); });
    }
    if (const auto plan = options.value("scale-to")) {
        about(options.find("scale-to")->origin, [&] { commands::read_scale(read_file(*plan), into.settings); });
    }
    into.rehearsal.markdown = writable(options, "markdown");
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
        if (const given_option* found = options.find(option.name); found != nullptr && !option.available) {
            if (!option.is_switch() || options.is_on(option.name)) {
                throw not_available(found->origin);
            }
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

}  // namespace

invocation parse(const std::vector<std::string>& arguments, const environment& lookup) {
    invocation made;
    split_arguments split = cli::split(arguments);
    if (split.options.contains("version")) {
        made.what = command::version;
        made.text = "pgeist " PGEIST_VERSION "\n";
        return made;
    }
    if (const auto what = split.options.find("print"); what != split.options.end()) {
        made.what = command::print;
        about(what->second.origin, [&] { made.text = generated(what->second.values.back()); });
        return made;
    }
    const bool help = split.options.contains("help");
    if (help && split.words.empty()) {
        made.text = overview();
        return made;
    }
    const command_info& info = command_of(split.words);
    if (help) {
        made.text = help_of(info);
        return made;
    }
    if (!info.available) {
        throw not_available(fmt::format("pgeist {}", info.name));
    }
    check_taken(info, split);
    std::vector<std::string> words(split.words.begin() + 1, split.words.end());
    const given options = gather(info, std::move(split), lookup);

    made.what = info.id;
    if (info.takes_files) {
        made.lint = read_lint(options, words);
        made.lint.connected = names_server(options);
        if (made.lint.connected && options.find("server") != nullptr) {
            throw usage_error(
                fmt::format("{}: the server that is asked says its version itself", options.find("server")->origin),
                "give a connection, or --server, and not both");
        }
        read_connection(options, lookup, made.connection);
        made.how_much.quiet = options.is_on("quiet");
        made.how_much.verbose = options.is_on("verbose");
        made.format = made.lint.format == lint_format::json ? report::output_format::json : made.format;
        return made;
    }
    read_output(options, made);
    read_files(options, made);
    read_connection(options, lookup, made.connection);
    read_words(info, std::move(words), options, made);
    made.watch = options.is_on("watch");
    read_thresholds(options, made);
    if (info.id == command::candidates) {
        read_round(options, made);
    }
    made.yes = options.is_on("yes");
    made.check = options.is_on("check");
    made.lose = options.values("lose");
    if (info.takes_steerable) {
        made.values = read_changes(info, options);
    }
    if (info.id == command::backfill || (info.id == command::plan && plans_in_place(options))) {
        read_fill(options, made.fill);
        read_settings(options, made.settings);
        fit_chunks_to_locks(options, made.settings);
        made.in_place = true;
        made.what = options.is_on("dry-run") ? command::plan : made.what;
    } else if (info.id == command::expand) {
        read_expansion(options, made.expand);
        read_settings(options, made.settings);
        fit_chunks_to_locks(options, made.settings);
        made.in_place = true;
        made.what = options.is_on("dry-run") ? command::plan : made.what;
    } else if (info.id == command::contract) {
        made.contraction = read_contraction(options);
        made.values = read_changes(info, options);
    } else if (info.id == command::rehearse) {
        for (const char* each : {"only-indexes", "index"}) {
            if (options.has(each)) {
                throw usage_error(options.find(each)->origin + " is not rehearsed: it makes no copy");
            }
        }
        if (options.find("file") != nullptr && options.find("table") == nullptr) {
            read_migration(options, made);
        } else {
            read_change(options, made.change);
        }
        read_settings(options, made.settings);
        let_options_choose(options, made.settings);
        if (made.settings.method == run::method_choice::server) {
            throw usage_error(options.find("method")->origin + ": what the server does is not rehearsed");
        }
        read_rehearsal(options, made);
        made.what = options.is_on("dry-run") ? command::plan : made.what;
    } else if (info.id == command::run || info.id == command::plan) {
        if (options.has("where") || options.is_on("delete")) {
            throw usage_error("--where and --delete are of a backfill", "give --set or --delete alone");
        }
        if (options.find("file") != nullptr && options.find("table") == nullptr) {
            read_migration(options, made);
        } else if (!read_reindex(options, made.reindex)) {
            read_change(options, made.change);
        }
        read_settings(options, made.settings);
        let_options_choose(options, made.settings);
        made.what = options.is_on("dry-run") ? command::plan : made.what;
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
