#!/usr/bin/perl
# An SMSC whose SMPP is Perl's Net::SMPP: every byte it reads and writes goes through that library. What it does with a
# message depends on the last digit of the recipient: 3 undeliverable, 4 no receipt, 8 refused, any other delivered.
# Arguments: port, system_id, password. What it understood is printed, a line of JSON for each submit_sm.
use strict;
use warnings;
use IO::Select;
use Net::SMPP;
use POSIX qw(strftime);

my ( $port, $system_id, $password ) = @ARGV;
my %STATUS = ( ok => 0, wrong_destination => 0x0b, wrong_password => 0x0e, query_failed => 0x67 );
my %STATE = ( DELIVRD => 2, UNDELIV => 5 );
my $MAX_MESSAGES = 10_000;
my %BINDS = (
    Net::SMPP::CMD_bind_transceiver() => [ 'bind_transceiver_resp', 1 ],
    Net::SMPP::CMD_bind_transmitter() => [ 'bind_transmitter_resp', 0 ],
    Net::SMPP::CMD_bind_receiver()    => [ 'bind_receiver_resp',    1 ],
);

$| = 1;
# The library warns of every connection that ends.
$SIG{__WARN__} = sub { print STDERR @_ unless $_[0] =~ /premature eof/ };
$SIG{TERM} = sub { exit 0 };
$SIG{PIPE} = 'IGNORE';

my $listener = Net::SMPP->new_listen( '127.0.0.1', port => $port, smpp_version => 0x34, system_id => 'net-smpp' )
  or die "no listener: $!";
my $select = IO::Select->new($listener);
my @receivers;
my %state_of;
my $ids = 0;

while ( my @ready = $select->can_read ) {
    for my $socket (@ready) {
        if ( $socket == $listener ) { $select->add( $listener->accept ) }
        else                        { serve($socket) }
    }
}

sub serve {
    my ($socket) = @_;
    my $pdu = $socket->read_pdu or return forget($socket);
    my $bind = $BINDS{ $pdu->{cmd} };
    if    ($bind)                                       { take_bind( $socket, $pdu, @$bind ) }
    elsif ( $pdu->{cmd} == Net::SMPP::CMD_submit_sm() )    { take_submit( $socket, $pdu ) }
    elsif ( $pdu->{cmd} == Net::SMPP::CMD_query_sm() )     { take_query( $socket, $pdu ) }
    elsif ( $pdu->{cmd} == Net::SMPP::CMD_enquire_link() ) { $socket->enquire_link_resp( seq => $pdu->{seq} ) }
    elsif ( $pdu->{cmd} == Net::SMPP::CMD_unbind() ) {
        $socket->unbind_resp( seq => $pdu->{seq} );
        forget($socket);
    }
}

sub forget {
    my ($socket) = @_;
    $select->remove($socket);
    @receivers = grep { $_ != $socket } @receivers;
    close $socket;
}

sub take_bind {
    my ( $socket, $pdu, $answer, $receives ) = @_;
    my $known = $pdu->{system_id} eq $system_id && $pdu->{password} eq $password;
    $socket->$answer(
        seq       => $pdu->{seq},
        status    => $known ? $STATUS{ok} : $STATUS{wrong_password},
        system_id => 'net-smpp'
    );
    push @receivers, $socket if $known && $receives;
    # Both sides ask for signs of life.
    $socket->enquire_link( async => 1 ) if $known;
}

sub take_submit {
    my ( $socket, $pdu ) = @_;
    my $to = $pdu->{destination_addr};
    my ($last) = $to =~ /(\d)$/;
    my %said = map { $_ => $pdu->{$_} } qw(destination_addr esm_class data_coding registered_delivery validity_period);
    $said{short_message}          = unpack 'H*', $pdu->{short_message};
    $said{user_message_reference} = unpack 'H*', $pdu->{user_message_reference} // '';
    $said{sar} = join ',', map { unpack 'H*', $pdu->{$_} // '' } qw(sar_msg_ref_num sar_total_segments sar_segment_seqnum);
    print '{', join( ',', map { qq("$_":"$said{$_}") } sort keys %said ), "}\n";
    if ( $last == 8 || $ids >= $MAX_MESSAGES ) {
        $socket->submit_sm_resp( seq => $pdu->{seq}, status => $STATUS{wrong_destination}, message_id => '' );
        return;
    }
    my $id = sprintf 'net-%06d', ++$ids;
    my $state = $state_of{$id} = $last == 3 ? 'UNDELIV' : 'DELIVRD';
    $socket->submit_sm_resp( seq => $pdu->{seq}, message_id => $id );
    send_receipt( $pdu, $id, $state ) if $last != 4;
    send_reply($pdu) if $pdu->{short_message} eq 'please answer';
}

# SMPP 3.4 appendix B, dates in Taipei's time.
sub send_receipt {
    my ( $pdu, $id, $state ) = @_;
    my $now = strftime( '%y%m%d%H%M', gmtime( time + 8 * 3600 ) );
    my $delivered = $state eq 'DELIVRD' ? '001' : '000';
    deliver(
        source_addr_ton      => $pdu->{dest_addr_ton},
        source_addr_npi      => $pdu->{dest_addr_npi},
        source_addr          => $pdu->{destination_addr},
        destination_addr     => $pdu->{source_addr},
        esm_class            => 0x04,
        short_message        => "id:$id sub:001 dlvrd:$delivered submit date:$now done date:$now stat:$state err:000 text:",
        receipted_message_id => "$id\0",
        message_state        => pack( 'C', $STATE{$state} ),
    );
}

sub send_reply {
    my ($pdu) = @_;
    deliver(
        source_addr_ton  => 1,
        source_addr_npi  => 1,
        source_addr      => $pdu->{destination_addr},
        destination_addr => '12345',
        data_coding      => 8,
        short_message    => "\x56\xde\x89\x86",
    );
}

sub deliver {
    my (@fields) = @_;
    # The last one that bound; with a transmitter beside it there is one.
    $receivers[-1]->deliver_sm( @fields, async => 1 ) if @receivers;
}

sub take_query {
    my ( $socket, $pdu ) = @_;
    my $state = $state_of{ $pdu->{message_id} };
    $socket->query_sm_resp(
        seq           => $pdu->{seq},
        status        => defined $state ? $STATUS{ok} : $STATUS{query_failed},
        message_id    => $pdu->{message_id},
        final_date    => '',
        message_state => defined $state ? $STATE{$state} : 0,
        error_code    => 0,
    );
}
