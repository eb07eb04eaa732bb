#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include <fmt/format.h>

#include "cli/lint_command.hpp"
#include "pgeist/ddl/marks.hpp"
#include "pgeist/report/text.hpp"

namespace pgeist::cli {

namespace {

namespace fs = std::filesystem;
using pgeist::lint::source;

source read_stream(std::istream& from, std::string name) {
    source made;
    made.name = std::move(name);
    std::ostringstream text;
    text << from.rdbuf();
    made.text = text.str();
    if (from.bad()) {
        made.problem = "it cannot be read to its end";
    }
    return made;
}

source read_one(const fs::path& path) {
    std::error_code problem;
    source made;
    made.name = report::one_line(path.string());
    const fs::file_status status = fs::status(path, problem);
    if (!fs::exists(status)) {
        made.problem = "there is no such file";
        return made;
    }
    std::ifstream stream(path, std::ios::binary);
    if (!stream) {
        made.problem = "it cannot be read";
        return made;
    }
    made = read_stream(stream, made.name);
    // Flyway keeps what it is told about one script beside it.
    std::ifstream beside(path.string() + ".conf", std::ios::binary);
    if (beside) {
        made.script_config = read_stream(beside, "").text;
    }
    return made;
}

/// Folder by folder, names in their natural order: what stands deeper is compared part by part.
bool in_order(const fs::path& a, const fs::path& b) {
    auto left = a.begin();
    auto right = b.begin();
    for (; left != a.end() && right != b.end(); ++left, ++right) {
        if (*left != *right) {
            return ddl::natural_less(left->string(), right->string());
        }
    }
    return left == a.end() && right != b.end();
}

void read_directory(const fs::path& folder, std::vector<source>& into) {
    std::vector<fs::path> paths;
    std::error_code problem;
    fs::recursive_directory_iterator each(folder, problem);
    for (; !problem && each != fs::recursive_directory_iterator(); each.increment(problem)) {
        std::error_code unknown;
        const fs::path& path = each->path();
        if (path.extension() == ".sql" && !each->is_directory(unknown) && !ddl::is_down_file(path.string())) {
            paths.push_back(path);
        }
    }
    if (problem) {
        source made;
        made.name = report::one_line(folder.string());
        made.problem = fmt::format("the directory cannot be read: {}", problem.message());
        into.push_back(std::move(made));
    }
    std::sort(paths.begin(), paths.end(), in_order);
    bool first = true;
    for (const fs::path& path : paths) {
        source made = read_one(path);
        made.begins_simulation = first;
        first = false;
        into.push_back(std::move(made));
    }
    if (paths.empty() && !problem) {
        source made;
        made.name = report::one_line(folder.string());
        made.problem = "there is no *.sql file in this directory";
        into.push_back(std::move(made));
    }
}

}  // namespace

std::vector<source> read_sources(const std::vector<std::string>& paths) {
    std::vector<source> all;
    for (const std::string& each : paths) {
        std::error_code problem;
        if (each == "-") {
            all.push_back(read_stream(std::cin, "-"));
            all.back().named = true;
        } else if (fs::is_directory(each, problem)) {
            read_directory(each, all);
        } else {
            all.push_back(read_one(each));
            all.back().named = true;
        }
    }
    return all;
}

}  // namespace pgeist::cli
