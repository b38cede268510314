// Files that are shortened while they are read end in an error, never in a signal.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "app/session/input_file.h"

#include <algorithm>
#include <thread>
#include <unistd.h>
#endif

#include "tests/test_program.h"

#include <QTemporaryDir>

using namespace natlens;
using namespace natlens::session;

class TestInputFile : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void whole_data() {
        QTest::addColumn<int>("size");
        for (const int size : {1, 4095, 4096, 2 << 20, (2 << 20) + 1, (7 << 20) + 12345})
            QTest::addRow("%d bytes", size) << size;
    }
    void whole() {
        QFETCH(int, size);
        const auto text = textOf(static_cast<std::size_t>(size));
        write(text);
        const auto file = InputFile::read(m_path);
        QVERIFY(file.has_value());
        QVERIFY(file->text() == text);
        QVERIFY(file->wasWhole().has_value());
    }

    void empty() {
        write("");
        const auto file = InputFile::read(m_path);
        QVERIFY(file.has_value() && file->text().empty());
    }

    void shortened_data() {
        QTest::addColumn<int>("size");
        QTest::addColumn<int>("left");
        QTest::newRow("nothing left") << 4096 << 0;
        QTest::newRow("from the middle of a page") << 8192 << 77;
        QTest::newRow("the second half") << (6 << 20) << (3 << 20);
    }
    /// What is gone reads as zeros from the next page on, and it is known.
    void shortened() {
        QFETCH(int, size);
        QFETCH(int, left);
        const auto text = textOf(static_cast<std::size_t>(size));
        write(text);
        const auto file = InputFile::read(m_path);
        QVERIFY(file.has_value());
        QCOMPARE(::truncate(m_path.c_str(), left), 0);
        QVERIFY(file->wasWhole().has_value()); // nobody has looked
        const auto kept = static_cast<std::size_t>(left);
        QVERIFY(file->text().substr(0, kept) == text.substr(0, kept));
        QVERIFY(file->text().find_first_not_of('\0', kept) == std::string_view::npos);
        const auto whole = file->wasWhole();
        QVERIFY(!whole.has_value());
        QVERIFY(whole.error().code == base::ErrorCode::invalidInput);
        QCOMPARE(QString::fromStdString(whole.error().subject), QString::fromStdString(m_path));
        QVERIFY(whole.error().message.find("shorter") != std::string::npos);
    }

    void shortenedAgainAndAgain() {
        const std::size_t size = std::size_t{5} << 20;
        write(textOf(size));
        std::jthread other([&](const std::stop_token &stop) {
            while (!stop.stop_requested()) {
                if (::truncate(m_path.c_str(), 4096) != 0) return;
                if (::truncate(m_path.c_str(), static_cast<off_t>(size)) != 0) return;
            }
        });
        for (int i = 0; i < 50; ++i) {
            const auto file = InputFile::read(m_path);
            QVERIFY(file.has_value());
            QVERIFY(std::ranges::count(file->text(), '[') > 0);
        }
    }

    void folder() {
        const auto file = InputFile::read(m_folder.path().toStdString());
        QVERIFY(!file.has_value());
        QVERIFY(file.error().message.find("folder") != std::string::npos);
    }

private:
    /// Each byte says where it is.
    static std::string textOf(std::size_t size) {
        std::string text(size, '\0');
        for (std::size_t i = 0; i < size; ++i)
            text[i] = static_cast<char>('!' + (i * 7 + i / 4096) % 90);
        if (size > 0) text[0] = '[';
        return text;
    }

    void write(const std::string &text) {
        QFile file(QString::fromStdString(m_path));
        QVERIFY(file.open(QIODevice::WriteOnly));
        QCOMPARE(file.write(text.data(), static_cast<qint64>(text.size())), static_cast<qint64>(text.size()));
    }

    QTemporaryDir m_folder;
    const std::string m_path = m_folder.filePath("cluster.json").toStdString();
};

NATLENS_TEST(TestInputFile)
#include "tst_input_file.moc"
