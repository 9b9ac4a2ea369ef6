package packet

// Connect is a CONNECT (3.1).
type Connect struct {
	Version     byte
	Clean       bool
	KeepAlive   uint16
	ClientID    string
	Will        *Will
	HasUsername bool
	Username    string
	HasPassword bool
	Password    []byte
	Props       Properties
}

// Will is what a connection leaves behind (3.1.2.5).
type Will struct {
	Topic   string
	Payload []byte
	QoS     byte
	Retain  bool
	Props   Properties
}

const (
	flagClean      = 0x02
	flagWill       = 0x04
	flagWillRetain = 0x20
	flagPassword   = 0x40
	flagUsername   = 0x80
)

// ParseConnect reads the body of a CONNECT. Nothing in the result aliases it.
// Version is set even beside an error, as soon as it is known, because the
// answer to a bad CONNECT depends on it. A will of QoS 2 is returned as it is:
// it is well-formed, and refused by the broker.
func ParseConnect(body []byte) (p Connect, err error) {
	c := cursor{b: body}
	name := c.str()
	level := c.u8()
	if c.err != nil {
		return p, c.err
	}
	if name != "MQTT" || level != V311 && level != V5 {
		if name == "MQTT" || name == "MQIsdp" {
			return p, &Error{UnsupportedVersion, "3.1.2-2", "a protocol level other than 3.1.1 and 5"}
		}
		return p, malformed("3.1.2-1", "a protocol name other than MQTT")
	}
	p.Version = level
	flags := c.u8()
	if err := checkConnectFlags(flags, level); c.err == nil && err != nil {
		return p, err
	}
	p.Clean = flags&flagClean != 0
	p.KeepAlive = c.u16()
	if level == V5 {
		p.Props = c.props(in(CONNECT))
	}
	p.ClientID = c.str()
	if flags&flagWill != 0 {
		w := &Will{QoS: flags >> 3 & 3, Retain: flags&flagWillRetain != 0}
		if level == V5 {
			w.Props = c.props(inWill)
		}
		w.Topic = c.str()
		w.Payload = append([]byte(nil), c.bin()...)
		p.Will = w
	}
	if p.HasUsername = flags&flagUsername != 0; p.HasUsername {
		p.Username = c.str()
	}
	if p.HasPassword = flags&flagPassword != 0; p.HasPassword {
		p.Password = append([]byte(nil), c.bin()...)
	}
	if c.err == nil && len(c.b) > 0 {
		c.fail("3.1.3", "bytes after the last field of a CONNECT")
	}
	return p, c.err
}

func checkConnectFlags(flags, level byte) error {
	switch {
	case flags&1 != 0:
		return malformed("3.1.2-3", "the reserved flag of a CONNECT is set")
	case flags&flagWill == 0 && flags&(flagWillRetain|0x18) != 0:
		return malformed("3.1.2-11", "will QoS or retain without a will")
	case flags>>3&3 == 3:
		return malformed("3.1.2-14", "will QoS 3")
	case level == V311 && flags&flagUsername == 0 && flags&flagPassword != 0:
		return malformed("3.1.2-22", "a password without a user name")
	}
	return nil
}

// AppendConnect writes a CONNECT.
func AppendConnect(dst []byte, p *Connect) []byte {
	flags, n := byte(0), 10+2+len(p.ClientID)
	if p.Clean {
		flags |= flagClean
	}
	if p.Version == V5 {
		n += p.Props.blockLen()
	}
	if w := p.Will; w != nil {
		flags |= flagWill | w.QoS<<3
		if w.Retain {
			flags |= flagWillRetain
		}
		if n += 4 + len(w.Topic) + len(w.Payload); p.Version == V5 {
			n += w.Props.blockLen()
		}
	}
	if p.HasUsername {
		flags |= flagUsername
		n += 2 + len(p.Username)
	}
	if p.HasPassword {
		flags |= flagPassword
		n += 2 + len(p.Password)
	}
	dst = appendStr(appendHeader(dst, CONNECT, 0, n), "MQTT")
	dst = appendU16(append(dst, p.Version, flags), p.KeepAlive)
	if p.Version == V5 {
		dst = appendProps(dst, p.Props)
	}
	dst = appendStr(dst, p.ClientID)
	if w := p.Will; w != nil {
		if p.Version == V5 {
			dst = appendProps(dst, w.Props)
		}
		dst = appendStr(appendStr(dst, w.Topic), w.Payload)
	}
	if p.HasUsername {
		dst = appendStr(dst, p.Username)
	}
	if p.HasPassword {
		dst = appendStr(dst, p.Password)
	}
	return dst
}

// Connack is a CONNACK (3.2). Code is a return code on 3.1.1, a reason code on 5.
type Connack struct {
	SessionPresent bool
	Code           byte
	Props          Properties
}

// AppendConnack writes a CONNACK in the form of the given protocol level.
func AppendConnack(dst []byte, version byte, p *Connack) []byte {
	n := 2
	if version == V5 {
		n += p.Props.blockLen()
	}
	present := byte(0)
	if p.SessionPresent {
		present = 1
	}
	dst = append(appendHeader(dst, CONNACK, 0, n), present, p.Code)
	if version == V5 {
		dst = appendProps(dst, p.Props)
	}
	return dst
}

// ParseConnack reads the body of a CONNACK.
func ParseConnack(body []byte, version byte) (p Connack, err error) {
	c := cursor{b: body}
	flags := c.u8()
	p.SessionPresent, p.Code = flags&1 != 0, c.u8()
	if c.err == nil && flags > 1 {
		c.fail("3.2.2-1", "reserved acknowledge flags are set")
	}
	if version == V5 {
		p.Props = c.props(in(CONNACK))
	}
	if c.err == nil && len(c.b) > 0 {
		c.fail("3.2", "bytes after the last field of a CONNACK")
	}
	return p, c.err
}

// Disconnect is a DISCONNECT (3.14); on 3.1.1 it is empty.
type Disconnect struct {
	Code  Code
	Props Properties
}

// ParseDisconnect reads the body of a DISCONNECT.
func ParseDisconnect(body []byte, version byte) (p Disconnect, err error) {
	c := cursor{b: body}
	if version == V5 {
		if len(c.b) > 0 {
			p.Code = Code(c.u8())
		}
		if len(c.b) > 0 {
			p.Props = c.props(in(DISCONNECT))
		}
	}
	if c.err == nil && len(c.b) > 0 {
		c.fail("3.14", "bytes after the last field of a DISCONNECT")
	}
	return p, c.err
}

// AppendDisconnect writes a DISCONNECT; on 3.1.1 code and properties have no place.
func AppendDisconnect(dst []byte, version byte, p *Disconnect) []byte {
	if version != V5 || p.Code == 0 && len(p.Props) == 0 {
		return appendHeader(dst, DISCONNECT, 0, 0)
	}
	if len(p.Props) == 0 {
		return append(appendHeader(dst, DISCONNECT, 0, 1), byte(p.Code))
	}
	dst = append(appendHeader(dst, DISCONNECT, 0, 1+p.Props.blockLen()), byte(p.Code))
	return appendProps(dst, p.Props)
}
