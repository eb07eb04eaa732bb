#include "cli/lint_command.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>

#include <fmt/format.h>

#include "cli/invocation.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/core/units.hpp"
#include "pgeist/report/text.hpp"

namespace pgeist::cli {

namespace {

usage_error unknown_word(const given& options, std::string_view option, const std::string& word,
                         std::string_view allowed) {
    return usage_error(fmt::format("{}: \"{}\" is not known", options.find(option)->origin, word),
                       fmt::format("use {}", allowed));
}

probe::server_version read_version(const given& options) {
    probe::server_version version;
    const auto text = options.value("server");
    if (!text) {
        return version;
    }
    const std::size_t point = text->find('.');
    const std::string major = text->substr(0, point);
    const std::string minor = point == std::string::npos ? "" : text->substr(point + 1);
    const auto number = [](const std::string& digits) {
        return !digits.empty() && digits.size() < 4 && digits.find_first_not_of("0123456789") == std::string::npos;
    };
    const bool readable = number(major) && (point == std::string::npos || number(minor));
    version.major = readable ? std::atoi(major.c_str()) : 0;
    version.minor = minor.empty() ? -1 : std::atoi(minor.c_str());
    if (version.major < probe::oldest_version || version.major > probe::newest_version) {
        throw unknown_word(options, "server", *text,
                           fmt::format("{} to {}", probe::oldest_version, probe::newest_version));
    }
    return version;
}

/// One of the words that an option allows, by its place among them.
template <class Value, std::size_t Count>
Value read_word(const given& options, std::string_view option,
                const std::array<std::pair<std::string_view, Value>, Count>& words, Value otherwise,
                std::string_view allowed) {
    const auto text = options.value(option);
    if (!text) {
        return otherwise;
    }
    const auto found = std::find_if(words.begin(), words.end(), [&](const auto& each) { return each.first == *text; });
    if (found == words.end()) {
        throw unknown_word(options, option, *text, allowed);
    }
    return found->second;
}

std::string written(const lint_request& asked, const pgeist::lint::report& found, int code, const invocation& all,
                    const console& io) {
    switch (asked.format) {
        case lint_format::json:
            return pgeist::lint::as_json(found, asked.settings, code);
        case lint_format::sarif:
            return pgeist::lint::as_sarif(found, asked.settings, PGEIST_VERSION);
        case lint_format::github:
            return pgeist::lint::as_github(found);
        case lint_format::gitlab:
            return pgeist::lint::as_gitlab(found);
        case lint_format::markdown:
            return pgeist::lint::as_markdown(found, asked.settings);
        case lint_format::text:
            break;
    }
    pgeist::lint::text_style style;
    style.colour = io.screen.color;
    style.verbose = all.how_much.verbose;
    style.quiet = all.how_much.quiet;
    const std::string text = pgeist::lint::as_text(found, asked.settings, style);
    return io.screen.utf8 ? text : report::to_ascii(text);
}

}  // namespace

lint_request read_lint(const given& options, const std::vector<std::string>& words) {
    lint_request made;
    made.paths = words;
    made.rules = options.is_on("rules");
    made.explain = options.value("explain");
    made.settings.server = read_version(options);
    made.settings.foreign_ignores = options.is_on("foreign-ignores");
    if (const auto time = options.value("max-block")) {
        try {
            made.settings.max_block = parse_duration(*time);
        } catch (const usage_error& problem) {
            throw usage_error(fmt::format("{}: {}", options.find("max-block")->origin, problem.what()), problem.hint());
        }
    }
    using mode = ddl::transaction_mode;
    made.transaction = read_word(options, "transaction",
                                 std::array{std::pair(std::string_view("auto"), mode::automatic),
                                            std::pair(std::string_view("file"), mode::file),
                                            std::pair(std::string_view("statement"), mode::statement),
                                            std::pair(std::string_view("none"), mode::none)},
                                 mode::automatic, "auto, file, statement or none");
    using limit = pgeist::lint::fail_on;
    made.limit = read_word(options, "fail-on",
                           std::array{std::pair(std::string_view("error"), limit::error),
                                      std::pair(std::string_view("warning"), limit::warning),
                                      std::pair(std::string_view("never"), limit::never)},
                           limit::error, "error, warning or never");
    using format = lint_format;
    made.format = read_word(options, "output",
                            std::array{std::pair(std::string_view("text"), format::text),
                                       std::pair(std::string_view("human"), format::text),
                                       std::pair(std::string_view("json"), format::json),
                                       std::pair(std::string_view("sarif"), format::sarif),
                                       std::pair(std::string_view("github"), format::github),
                                       std::pair(std::string_view("gitlab"), format::gitlab),
                                       std::pair(std::string_view("markdown"), format::markdown)},
                            format::text, "text, json, sarif, github, gitlab or markdown");
    if (made.explain && pgeist::lint::find_rule(*made.explain) == nullptr) {
        std::vector<std::string> names;
        for (const auto& each : pgeist::lint::rule_texts()) {
            names.emplace_back(each.name);
        }
        const std::string meant = nearest(*made.explain, names);
        throw usage_error(fmt::format("there is no rule {}", *made.explain),
                          meant.empty() ? "`pgeist lint --rules` lists them" : fmt::format("did you mean {}?", meant));
    }
    if (made.paths.empty() && !made.rules && !made.explain) {
        throw usage_error("lint needs a file", "name files, a directory, or - for standard input");
    }
    return made;
}

int lint(const invocation& asked, console& io) {
    const lint_request& request = asked.lint;
    if (request.rules || request.explain) {
        const std::string text = request.rules ? pgeist::lint::rules_list()
                                               : pgeist::lint::explanation(*pgeist::lint::find_rule(*request.explain));
        io.out.write(io.screen.utf8 ? text : report::to_ascii(text));
        return 0;
    }
    const auto sources = read_sources(request.paths);
    const auto migrations = pgeist::lint::read(sources, request.transaction);
    lint_request with_version = request;
    std::optional<pgeist::lint::answers> said;
    if (request.connected) {
        said = ask_server(asked.connection, sources, migrations, with_version.settings);
    }
    const auto found =
        pgeist::lint::check(sources, migrations, with_version.settings, said.has_value() ? &*said : nullptr);
    const int code = pgeist::lint::exit_code_of(found, request.limit);
    io.out.write(written(with_version, found, code, asked, io));
    return code;
}

}  // namespace pgeist::cli
