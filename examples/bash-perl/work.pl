# work.pl FILE: keeps a processor busy for a time that only the content of FILE decides, then prints one line:
# the file, its checksum, the iterations and their result, with tabs between. What cannot be read is said so instead.
# Needs nothing but Perl itself (on Debian perl-base is enough).
use strict;
use warnings;

my $prime = 2**31 - 1;    # products with the factors below stay exact, in integers and in doubles

sub fail {
    my ($status, $message) = @_;
    print STDERR "$message\n";
    exit $status;
}

fail(2, 'usage: work.pl FILE') unless @ARGV == 1;
my ($file) = @ARGV;

sub checksum {
    my ($handle) = @_;
    my $sum = 1;
    while (1) {
        my $count = read($handle, my $piece, 65536);
        fail(1, "work.pl: cannot read $file: $!") unless defined $count;
        return $sum if $count == 0;
        $sum = ($sum * 257 + $_ + 1) % $prime for unpack 'C*', $piece;
    }
}

sub report {
    my $line = join("\t", $file, @_) . "\n";
    my $count = syswrite STDOUT, $line;
    fail(1, "work.pl: cannot write: $!") unless defined $count && $count == length $line;
}

fail(1, "work.pl: no file $file") unless -e $file || -l $file;
my $handle;
unless (-f $file && open $handle, '<:raw', $file) {
    report('not readable');
    exit 0;
}

my $checksum = checksum($handle);
my $iterations = 100_000 + $checksum % 2_900_000;
my $result = $checksum;
for (1 .. $iterations) {
    $result = ($result * 48_271 + $checksum) % $prime;
}
report($checksum, $iterations, $result);
